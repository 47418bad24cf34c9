#include "cloud/service_error.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(ServiceError, ReadsTheServicesOwnShape) {
  const ServiceError error = read_service_error(R"({"code":"BadRequest","message":"no tag"})");
  EXPECT_EQ(error.code, "BadRequest");
  EXPECT_EQ(error.message, "no tag");
}

TEST(ServiceError, ReadsTheGatewaysShape) {
  const ServiceError error =
      read_service_error(R"({"error":{"code":"429","message":"retry after 2 seconds"}})");
  EXPECT_EQ(error.code, "429");
  EXPECT_EQ(error.message, "retry after 2 seconds");
}

TEST(ServiceError, ShowsTheBeginningOfAnythingElseOnOneLine) {
  EXPECT_EQ(read_service_error("<html>\n  <b>502</b>\n").message, "<html> <b>502</b> ");
  EXPECT_EQ(read_service_error("").message, "an empty answer");
  EXPECT_EQ(read_service_error(R"({"code":7})").message, R"({"code":7})");
  EXPECT_EQ(read_service_error(R"({"code":"Conflict"})").message, "Conflict");
  EXPECT_LE(read_service_error(std::string(5000, 'x')).message.size(), 200U);
}

}  // namespace
}  // namespace visionpress

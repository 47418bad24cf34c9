#include "cloud/prediction_request.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace visionpress {
namespace {

constexpr const char* kV3 = "/customvision/v3.0/prediction/";

TEST(PredictionRoute, NamesProjectIterationAndTaskOfTheThirdVersion) {
  const auto route =
      find_prediction_route(std::string(kV3) + "p1/detect/iterations/Iteration4/image");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->project, "p1");
  EXPECT_EQ(route->iteration, "Iteration4");
  EXPECT_EQ(route->task, Task::Detection);
  EXPECT_FALSE(route->by_url);
}

TEST(PredictionRoute, ReadsClassifyUrlAndNostore) {
  const auto route = find_prediction_route(
      "/customvision/v3.1/prediction/p/classify/iterations/n/url/nostore?application=a");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->task, Task::Classification);
  EXPECT_TRUE(route->by_url);
}

TEST(PredictionRoute, DecodesANameAfterSplittingThePath) {
  const auto route =
      find_prediction_route(std::string(kV3) + "p/detect/iterations/a%2Fb%20c%c3%a9%zz/image");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->iteration, "a/b c\xc3\xa9%zz");
}

TEST(PredictionRoute, TakesAnyCaseOfLettersAndDoubledSlashes) {
  EXPECT_TRUE(find_prediction_route("//customvision/v3.0/Prediction/P/Detect/Iterations/X/Image"));
}

TEST(PredictionRoute, OfTheSecondVersionHasItsIterationInTheQuery) {
  const auto route = find_prediction_route(
      "/customvision/v2.0/Prediction/p/url?application=x&iterationId=82a6a3c4-0000-4000-8000-1");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->iteration, "82a6a3c4-0000-4000-8000-1");
  EXPECT_FALSE(route->task);
  EXPECT_TRUE(route->by_url);
  EXPECT_TRUE(find_prediction_route("/customvision/v2.0/Prediction/p/image/nostore"));
}

TEST(PredictionRoute, IsNoneForOtherPaths) {
  for (const char* target :
       {"", "/", "/health", "/customvision/v3.0/prediction/p/detect/iterations/n",
        "/customvision/v3.0/prediction/p/detect/iterations/n/image/store",
        "/customvision/v3.0/prediction/p/segment/iterations/n/image",
        "/customvision/v3.0/prediction/p/detect/iterations/n/m/image",
        "/customvision/v3.3/training/p/detect/iterations/n/image",
        "/customvision/v9.0/prediction/p/detect/iterations/n/image",
        "/customvision/v2.0/prediction/p/detect/iterations/n/image",
        "/customvision/v2.0/prediction/image", "/nostore", "?", "%"}) {
    EXPECT_FALSE(find_prediction_route(target)) << target;
  }
}

TEST(PredictionRoute, IsTakenAsADockerContainerHasIt) {
  for (const char* target :
       {"/image", "/url", "/p/image", "/p/url/nostore", "/p/image?iterationId=x",
        "/p/detect/iterations/n/image", "/P/Classify/Iterations/a%2Fb/url/nostore"}) {
    const auto route = find_prediction_route(target);
    ASSERT_TRUE(route) << target;
    EXPECT_EQ(route->form, AnswerForm::Container) << target;
    EXPECT_FALSE(route->task) << target;
    EXPECT_EQ(route->by_url, std::string_view(target).find("url") != std::string_view::npos);
  }
  for (const char* target : {"/p/q/image", "/p/detect/iterations/image", "/p/detect/n/image",
                             "/p/segment/iterations/n/image", "/image/x", "/images"}) {
    EXPECT_FALSE(find_prediction_route(target)) << target;
  }
}

TEST(MultipartBody, GivesThePartNamedImageData) {
  const std::string body =
      "--xx\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n"
      "--xx\r\ncontent-disposition: form-data; filename=\"a;b.jpg\"; name=\"imageData\"\r\n"
      "Content-Type: image/jpeg\r\n\r\n\xff\xd8\r\n--x\r\n\r\n--xx--\r\n";
  const auto part = find_image_part(body, "multipart/form-data; boundary=xx");
  ASSERT_TRUE(part) << part.error().message;
  EXPECT_EQ(*part, "\xff\xd8\r\n--x\r\n");
}

TEST(MultipartBody, GivesTheFirstFileWhereNoPartIsNamedImageData) {
  const std::string body =
      "preamble\r\n--a b\r\nContent-Disposition: form-data; name=n\r\n\r\ntext\r\n"
      "--a b\r\nContent-Disposition: form-data; name=f; filename=f.png\r\n\r\npicture\r\n--a b--";
  const auto part = find_image_part(body, "Multipart/Form-Data; charset=x; Boundary=\"a b\"");
  ASSERT_TRUE(part) << part.error().message;
  EXPECT_EQ(*part, "picture");
}

TEST(MultipartBody, MayHaveAnEmptyPart) {
  const std::string body = "--b\r\nContent-Disposition: form-data; name=imageData\r\n\r\n\r\n--b--";
  const auto part = find_image_part(body, "multipart/form-data; boundary=b");
  ASSERT_TRUE(part) << part.error().message;
  EXPECT_TRUE(part->empty());
}

TEST(MultipartBody, IsRefusedAtEveryCut) {
  const std::string body =
      "--b\r\nContent-Disposition: form-data; name=\"imageData\"\r\n\r\npicture\r\n--b";
  for (std::size_t size = 0; size + 5 < body.size(); ++size) {
    EXPECT_FALSE(find_image_part(body.substr(0, size), "multipart/form-data; boundary=b")) << size;
  }
}

TEST(MultipartBody, IsRefusedWithoutABoundary) {
  for (const char* type : {"multipart/form-data", "multipart/form-data; boundary=",
                           "multipart/form-data; boundary=\"\"", "multipart/form-data;;;"}) {
    EXPECT_FALSE(find_image_part("--\r\n\r\n\r\n--", type)) << type;
  }
  EXPECT_FALSE(find_image_part("", "multipart/form-data; boundary=" + std::string(71, 'b')));
}

TEST(MultipartBody, SurvivesALineOfMegabytes) {
  const std::string body =
      "--b\r\nContent-Disposition: form-data; name=" + std::string(std::size_t{4} << 20, '"') +
      "\r\n\r\nx\r\n--b--";
  EXPECT_FALSE(find_image_part(body, "multipart/form-data; boundary=b"));
}

TEST(UrlBody, GivesTheAddressWhateverTheCaseOfItsName) {
  EXPECT_EQ(read_image_url(R"({"url": "http://a/b.jpg"})").value_or(""), "http://a/b.jpg");
  EXPECT_EQ(read_image_url(R"({"Url": "http://a"})").value_or(""), "http://a");
}

TEST(UrlBody, IsRefusedWhereItHasNoTextOfThatName) {
  for (const char* body : {"", "[]", "{}", "{\"url\": 3}", "{\"url\"", "\"url\"", "\xff"}) {
    EXPECT_FALSE(read_image_url(body)) << body;
  }
  EXPECT_FALSE(read_image_url(std::string(100000, '[')));
}

nlohmann::json answer(const std::vector<EndpointPrediction>& predictions) {
  PredictionRoute route;
  route.project = "p";
  route.iteration = "first";
  return nlohmann::json::parse(format_predictions(route, predictions));
}

TEST(PredictionAnswer, CutsBoxesToTheImage) {
  const auto json = answer({{"cat", 0, 0.75, EndpointBox{-0.25, 0.5, 0.5, 0.75}}});
  const auto& box = json["predictions"][0]["boundingBox"];
  EXPECT_EQ(box["left"], 0.0);
  EXPECT_EQ(box["top"], 0.5);
  EXPECT_EQ(box["width"], 0.25);
  EXPECT_EQ(box["height"], 0.5);
  EXPECT_EQ(json["predictions"][0]["probability"], 0.75);
  EXPECT_EQ(json["predictions"][0]["tagName"], "cat");
  EXPECT_EQ(json["predictions"][0]["tagType"], "Regular");
}

TEST(PredictionAnswer, OfABoxOutsideTheImageIsAnEmptyBoxAtItsEdge) {
  const auto json = answer({{"cat", 0, 0.5, EndpointBox{1.5, -2.0, 0.5, 1.0}}});
  const auto& box = json["predictions"][0]["boundingBox"];
  EXPECT_EQ(box["left"], 1.0);
  EXPECT_EQ(box["width"], 0.0);
  EXPECT_EQ(box["height"], 0.0);
}

TEST(PredictionAnswer, OfAClassifierHasNoBox) {
  EXPECT_FALSE(answer({{"cat", 0, 0.5, {}}})["predictions"][0].contains("boundingBox"));
}

TEST(PredictionAnswer, NamesATagByTheSameIdEachTimeAndItselfByAnother) {
  const auto first = answer({{"cat", 0, 0.5, {}}, {"dog", 1, 0.25, {}}});
  const auto second = answer({{"dog", 1, 0.5, {}}});
  EXPECT_EQ(first["predictions"][1]["tagId"], second["predictions"][0]["tagId"]);
  EXPECT_NE(first["predictions"][0]["tagId"], first["predictions"][1]["tagId"]);
  EXPECT_NE(first["id"], second["id"]);
  EXPECT_EQ(first["iteration"], second["iteration"]);
  EXPECT_EQ(first["id"].get<std::string>().size(), 36U);
}

TEST(PredictionAnswer, KeepsTheIterationIdThatWasAskedFor) {
  PredictionRoute route;
  route.iteration = "82a6a3c4-1111-4000-8000-123456789abc";
  EXPECT_EQ(nlohmann::json::parse(format_predictions(route, {}))["iteration"], route.iteration);
}

TEST(PredictionAnswer, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(answer({{"c\xff", 0, 0.5, {}}})["predictions"][0]["tagName"], "c\xef\xbf\xbd");
}

TEST(PredictionAnswer, OfAContainersRouteHasTheContainersForm) {
  PredictionRoute route;
  route.form = AnswerForm::Container;
  const auto json = nlohmann::json::parse(format_predictions(
      route,
      {{"cat", 7, 0.123456789, EndpointBox{-0.25, 0.111111111, 0.5, 0.75}}, {"dog", 8, 0.5, {}}}));
  EXPECT_EQ(json["id"], "");
  EXPECT_EQ(json["project"], "");
  EXPECT_EQ(json["iteration"], "");
  EXPECT_EQ(json["created"].get<std::string>().size(), 26U);  // 2026-01-02T03:04:05.678901
  const nlohmann::json first = {
      {"probability", 0.12345679},
      {"tagId", 7},
      {"tagName", "cat"},
      {"boundingBox", {{"left", 0.0}, {"top", 0.11111111}, {"width", 0.25}, {"height", 0.75}}}};
  EXPECT_EQ(json["predictions"][0], first);
  const nlohmann::json second = {
      {"probability", 0.5}, {"tagId", ""}, {"tagName", "dog"}, {"boundingBox", nullptr}};
  EXPECT_EQ(json["predictions"][1], second);
}

TEST(GatewayError, IsReadableInBothForms) {
  const auto json = nlohmann::json::parse(format_gateway_error("401", "no"));
  EXPECT_EQ(json["error"]["code"], "401");
  EXPECT_EQ(json["code"], "401");
  EXPECT_EQ(json["message"], "no");
}

}  // namespace
}  // namespace visionpress

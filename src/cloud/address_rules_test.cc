#include "cloud/address_rules.h"

#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "base/bytes.h"
#include "cloud/host_rules.h"

namespace visionpress {
namespace {

bool is_public(const std::string& text) {
  sockaddr_storage storage = {};
  if (text.find(':') == std::string::npos) {
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(AF_INET, text.c_str(), &v4.sin_addr), 1) << text;
    std::memcpy(&storage, &v4, sizeof v4);
  } else {
    sockaddr_in6 v6 = {};
    v6.sin6_family = AF_INET6;
    EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1) << text;
    std::memcpy(&storage, &v6, sizeof v6);
  }
  return is_public_address(*view_as<const sockaddr>(&storage));
}

TEST(PublicAddress, IsNoneOfThisMachineOrItsNetwork) {
  for (const char* text : {"127.0.0.1",
                           "127.255.255.255",
                           "0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.1",
                           "10.255.255.255",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.0.1",
                           "192.168.255.255",
                           "169.254.169.254",
                           "169.254.0.1",
                           "100.64.0.1",
                           "100.127.255.255",
                           "::1",
                           "::",
                           "fe80::1",
                           "febf::1",
                           "fc00::1",
                           "fd12:3456::1",
                           "fec0::1"}) {
    EXPECT_FALSE(is_public(text)) << text;
  }
}

TEST(PublicAddress, IsNoneThatIsReservedOrMeansMany) {
  for (const char* text :
       {"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.0.0.1", "192.0.2.1",
        "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "192.88.99.1", "ff02::1",
        "ff0e::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1"}) {
    EXPECT_FALSE(is_public(text)) << text;
  }
}

TEST(PublicAddress, IsNoneThatCarriesAnotherOne) {
  for (const char* text :
       {"::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::8.8.8.8", "::ffff:0:8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::1", "2002:808:808::1",
        "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:20::1",
        "fe80::5efe:7f00:1"}) {
    EXPECT_FALSE(is_public(text)) << text;
  }
}

TEST(PublicAddress, IsEveryOther) {
  for (const char* text :
       {"1.1.1.1",         "8.8.8.8",         "9.255.255.255",        "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",     "126.255.255.255",      "128.0.0.1",
        "169.253.255.255", "169.255.0.0",     "172.15.255.255",       "172.32.0.0",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255",       "198.20.0.0",
        "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888", "2a00::1",
        "2003::1"}) {
    EXPECT_TRUE(is_public(text)) << text;
  }
}

TEST(PublicAddress, IsNoneOfAnotherFamily) {
  sockaddr_storage storage = {};
  storage.ss_family = AF_UNIX;
  EXPECT_FALSE(is_public_address(*view_as<const sockaddr>(&storage)));
}

TEST(LoopbackHost, IsALoopbackNameOrAddressWithAnyPort) {
  for (const char* host :
       {"localhost", "LocalHost:8000", "127.0.0.1", "127.0.0.1:1", "127.8.9.10:65535", "[::1]",
        "[::1]:8000", "[0:0:0:0:0:0:0:1]:80", "localhost:", "my-name:80", "MY-NAME"}) {
    EXPECT_TRUE(is_loopback_host(host, "my-name")) << host;
  }
}

TEST(LoopbackHost, IsNoOtherName) {
  for (const char* host : {"",
                           ":80",
                           "evil.example",
                           "evil.example:8000",
                           "localhost.evil.example",
                           "evil.example:80:127.0.0.1",
                           "127.0.0.1.evil.example",
                           "127.0.0.1@evil.example",
                           "evil.example@127.0.0.1",
                           "127.0.0.1:80@evil.example",
                           "localhost:x",
                           "localhost:999999",
                           "128.0.0.1",
                           "10.0.0.1",
                           "0.0.0.0",
                           "127.1",
                           "0177.0.0.1",
                           "2130706433",
                           "::1",
                           "[::1",
                           "[::1]x",
                           "[::2]",
                           "[::1]:80x",
                           "[127.0.0.1]",
                           "localhost ",
                           " localhost",
                           "localhost/",
                           "x, localhost",
                           "foo.localhost.example"}) {
    EXPECT_FALSE(is_loopback_host(host, "my-name")) << host;
  }
  EXPECT_FALSE(is_loopback_host(std::string_view("127.0.0.1\0.evil.example", 23), ""));
  EXPECT_FALSE(is_loopback_host(std::string_view("localhost\0x", 11), ""));
}

}  // namespace
}  // namespace visionpress

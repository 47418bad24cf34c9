// Any bytes as a client's connection: what is read as requests, who is let in, and what is
// answered. The first byte says how the server is set up and in which pieces the others come.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "cloud/host_rules.h"
#include "cloud/prediction_service.h"
#include "cloud/request_reader.h"

namespace visionpress {
namespace {

constexpr std::size_t kMostBody = 1 << 16;

/// An answer is whole and understood by clients: its status is one of HTTP's, its JSON is JSON.
void check_reply(const ServerReply& reply) {
  if (reply.status < 200 || reply.status > 599) std::abort();
  if (reply.content_type.starts_with("text/html")) return;
  const auto json = nlohmann::json::parse(reply.body, nullptr, false);
  if (!json.is_object()) std::abort();
  if (reply.status >= 400 && (!json.contains("code") || !json.contains("message"))) std::abort();
}

/// What the endpoint does with a whole request, without a model: the image's first bytes choose
/// what is found in it.
ServerReply answer(PredictionService& service, ServerRequest& request) {
  if (auto reply = service.answer_at_once(request)) return std::move(*reply);
  const auto route = find_prediction_route(request.target);
  if (!route) std::abort();  // admitted
  if (route->by_url) {
    const auto url = service.find_url(request);
    if (!url) return url.error();
    return service.reply(*route, tl::unexpected<Error>(Error{ErrorKind::Io, *url, {}, {}}), {});
  }
  const auto image = service.find_image(request);
  if (!image) return image.error();
  if (image->empty()) std::abort();
  const double share = static_cast<unsigned char>(image->front()) / 100.0 - 1.0;
  EndpointPrediction found = {std::string(image->substr(0, 20)), 3, share, {}};
  if (share > 0.0) found.box = EndpointBox{share, -share, 2.0 * share, share};
  return service.reply(*route, std::vector<EndpointPrediction>{found}, {});
}

void serve(std::string_view bytes, unsigned setup) {
  PredictionService service(
      {(setup & 1U) != 0 ? Task::Detection : Task::Classification, "model",
       (setup & 2U) != 0 ? std::vector<std::string>{"k"} : std::vector<std::string>{},
       (setup & 4U) != 0});
  const std::size_t piece = (setup & 8U) != 0 ? 1 + (setup >> 4U) : 1 << 14;
  RequestReader reader(kMostBody);
  using Step = RequestReader::Step;
  while (true) {
    switch (reader.advance()) {
      case Step::NeedMore: {
        if (bytes.empty()) return;
        const auto room = reader.prepare();
        if (room.empty()) std::abort();
        const std::size_t count = std::min({piece, room.size(), bytes.size()});
        std::copy_n(bytes.begin(), count, room.begin());
        reader.commit(count);
        bytes.remove_prefix(count);
        break;
      }
      case Step::Head: {
        const ServerRequest& head = reader.request();
        (void)is_loopback_host(head.host, "own");
        if (const auto refused = service.admit(head)) {
          check_reply(*refused);
          if (reader.has_body()) return;  // the connection ends there
        }
        if (!reader.begin_body())
          return check_reply(service.refuse_fault(ServerFault::TooLarge, 413));
        break;
      }
      case Step::Whole:
        if (reader.request().body.size() > kMostBody) std::abort();
        if (!service.admit(reader.request())) check_reply(answer(service, reader.request()));
        if (!reader.keeps_alive()) return;
        reader.begin_next();
        break;
      case Step::Malformed:
        return check_reply(service.refuse_fault(ServerFault::Malformed, 400));
      case Step::TooLarge:
        return check_reply(service.refuse_fault(ServerFault::TooLarge, 413));
    }
  }
}

}  // namespace
}  // namespace visionpress

extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming): libFuzzer's name
    const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto* text = visionpress::view_as<const char>(data);
  visionpress::serve(std::string_view(text, size).substr(1), data[0]);
  return 0;
}

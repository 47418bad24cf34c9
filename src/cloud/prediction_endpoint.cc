#include "cloud/prediction_endpoint.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "cloud/address_rules.h"
#include "cloud/custom_vision_rules.h"
#include "cloud/fetch_image.h"
#include "cloud/http_server.h"
#include "cloud/prediction_service.h"
#include "cloud/work_queue.h"

namespace visionpress {
namespace {

// Each waits for a server of somebody else, twenty seconds at most, and computes nothing.
constexpr std::size_t kFetchers = 8;
constexpr double kFetchSeconds = 20.0;

/// A request on its way through the threads; shared, since jobs are copied.
struct Call {
  ServerRequest request = {};
  PredictionRoute route = {};
  Stop stop = {};
  HttpHandlers::Done done = {};
};

}  // namespace

struct PredictionEndpoint::Impl {
  explicit Impl(ServiceOptions options) : service(std::move(options)) {}

  void answer(ServerRequest request, const Stop& stop, HttpHandlers::Done done);
  [[nodiscard]] ServerReply look_at(Bytes image, const Call& call, std::size_t worker);
  [[nodiscard]] ServerReply look_at_body(Call& call, std::size_t worker);
  void fetch(const std::shared_ptr<Call>& call);
  /// Runs a step that gives the call's answer; without memory for it there is another.
  template <typename Step>
  void finish(Call& call, const Step& step) {
    ServerReply reply;
    try {
      reply = step();
    } catch (const std::exception&) {
      reply = service.refuse_fault(ServerFault::Internal, 500);
    }
    call.done(std::move(reply));
  }

  PredictionService service;
  PredictImage predict = {};
  std::unique_ptr<HttpServer> server = nullptr;
  // The queues end first: what they still do is told to the server.
  std::unique_ptr<WorkQueue> workers = nullptr;
  std::unique_ptr<WorkQueue> fetchers = nullptr;
};

ServerReply PredictionEndpoint::Impl::look_at(Bytes image, const Call& call, std::size_t worker) {
  return service.reply(call.route, predict(image, worker, call.stop), call.stop);
}

ServerReply PredictionEndpoint::Impl::look_at_body(Call& call, std::size_t worker) {
  if (call.stop.is_due()) {
    return service.reply(call.route, fail(ErrorKind::Internal, "too late"), call.stop);
  }
  const auto image = service.find_image(call.request);
  return image ? look_at(std::as_bytes(std::span(*image)), call, worker) : image.error();
}

void PredictionEndpoint::Impl::fetch(const std::shared_ptr<Call>& call) {
  const auto url = service.find_url(call->request);
  if (!url) return call->done(url.error());
  const FetchOptions options = {kMaxPredictionBytes, kFetchSeconds, is_public_address};
  auto fetched = fetch_image(*url, options, call->stop);
  if (!fetched && fetched.error().kind == ErrorKind::Internal) {
    return call->done(service.refuse_busy());
  }
  if (!fetched) {
    return call->done(
        service.reply(call->route, tl::unexpected<Error>(std::move(fetched).error()), call->stop));
  }
  call->request.body = std::move(*fetched);
  workers->post([this, call](std::size_t worker) {
    finish(*call,
           [&] { return look_at(std::as_bytes(std::span(call->request.body)), *call, worker); });
  });
}

void PredictionEndpoint::Impl::answer(ServerRequest request, const Stop& stop,
                                      HttpHandlers::Done done) {
  if (auto reply = service.answer_at_once(request)) return done(std::move(*reply));
  const auto call = std::make_shared<Call>();
  call->route = find_prediction_route(request.target).value_or(PredictionRoute{});
  call->request = std::move(request);
  call->stop = stop;
  call->done = std::move(done);
  if (!call->route.by_url) {
    workers->post([this, call](std::size_t worker) {
      finish(*call, [&] { return look_at_body(*call, worker); });
    });
    return;
  }
  fetchers->post([this, call](std::size_t /*worker*/) {
    try {
      fetch(call);
    } catch (const std::exception&) {
      call->done(service.refuse_fault(ServerFault::Internal, 500));
    }
  });
}

PredictionEndpoint::PredictionEndpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

PredictionEndpoint::~PredictionEndpoint() { stop(); }

Result<std::unique_ptr<PredictionEndpoint>> PredictionEndpoint::start(
    const EndpointOptions& options, PredictImage predict) {
  if (std::ranges::any_of(options.keys, [](const std::string& key) { return key.empty(); })) {
    return fail(ErrorKind::InvalidArgument, "a key is empty");
  }
  auto impl = std::make_unique<Impl>(
      ServiceOptions{options.task, options.model, options.keys, options.fetches_urls});
  impl->predict = std::move(predict);
  VP_ASSIGN_OR_RETURN(impl->workers, WorkQueue::create(options.workers));
  if (options.fetches_urls) {
    VP_ASSIGN_OR_RETURN(impl->fetchers, WorkQueue::create(kFetchers));
  }
  Impl& endpoint = *impl;
  HttpHandlers handlers;
  handlers.admit = [&endpoint](const ServerRequest& head) { return endpoint.service.admit(head); };
  handlers.answer = [&endpoint](ServerRequest request, const Stop& stop, HttpHandlers::Done done) {
    endpoint.answer(std::move(request), stop, std::move(done));
  };
  handlers.refuse = [&endpoint](ServerFault fault, int status) {
    return endpoint.service.refuse_fault(fault, status);
  };
  VP_ASSIGN_OR_RETURN(impl->server, HttpServer::start({.host = options.host,
                                                       .port = options.port,
                                                       .connections = options.connections,
                                                       .max_body_bytes = kMaxPredictionBytes,
                                                       .receive_seconds = options.receive_seconds,
                                                       .answer_seconds = options.answer_seconds,
                                                       .idle_seconds = 5.0},
                                                      std::move(handlers)));
  return std::unique_ptr<PredictionEndpoint>(new PredictionEndpoint(std::move(impl)));
}

int PredictionEndpoint::port() const { return impl_->server->port(); }

void PredictionEndpoint::stop() {
  if (impl_ == nullptr || impl_->server == nullptr) return;
  impl_->server->stop();
  // What they still hold has its `stop` due.
  impl_->fetchers = nullptr;
  impl_->workers = nullptr;
}

}  // namespace visionpress

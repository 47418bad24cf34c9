#include "cloud/http_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <list>
#include <system_error>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <fcntl.h>
#include <fmt/format.h>

#include "base/error.h"
#include "cloud/host_rules.h"
#include "cloud/request_reader.h"

namespace visionpress {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using std::chrono::milliseconds;

// Connections beyond those whose requests are served: they have sent no whole head, so each costs a
// descriptor and what it has sent. Beyond it the one that has been silent longest is let go.
constexpr std::size_t kSpareConnections = 1000;
constexpr milliseconds kWriteTime(10'000);
constexpr milliseconds kDrainTime(2'000);
constexpr milliseconds kGrace(600);      // of what has begun, when the server is to stop
constexpr milliseconds kLastWords(250);  // from there until all connections are closed
constexpr milliseconds kAcceptPause(10);
// While others wait for a body's place, one that comes slower than this from its first second on is
// let go: a photograph of a megabyte would take 16 seconds.
constexpr milliseconds kSlowLook(250);
constexpr double kSlowSeconds = 1.0;
constexpr double kSlowBytesPerSecond = 64 << 10;

Clock::duration to_time(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
}

enum class Phase : std::uint8_t {
  Idle,     // no byte of a request is there
  Head,     // its head comes
  Waiting,  // for a place for its body
  Body,     // its body comes
  Answer,   // the handlers work at it
  Write,    // its answer leaves
  Drain,    // the last answer has left; the client may still be sending
  Closed,
};

class Connection;
using Shared = std::shared_ptr<Connection>;

/// What the connections ask of their server.
struct Hub {
  virtual void take_place(const Shared& connection) = 0;  ///< for a body; calls start_body
  virtual void give_place() = 0;
  virtual void forget(const Shared& connection) = 0;

  Hub() = default;
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;
  virtual ~Hub() = default;

  HttpServerOptions options = {};
  HttpHandlers handlers = {};
  asio::io_context context{1};
  bool checks_host = false;  ///< it listens on a loopback address
  bool stopping = false;
  std::atomic<bool> cancelled = false;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Hub& hub)
      : hub_(hub),
        socket_(std::move(socket)),
        timer_(hub.context),
        reader_(hub.options.max_body_bytes) {}

  void start();
  void start_body();
  void refuse(ServerFault fault, int status);
  void close();

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] Clock::time_point since() const { return since_; }
  [[nodiscard]] bool is_slow() const;

 private:
  void enter(Phase phase, Clock::duration time);
  void enter(Phase phase);  ///< for as long as it takes
  void read();
  void advance();
  void take_head();
  void answer();
  void write(ServerReply reply);
  void finish_reply();
  void drain();
  void on_timer();
  /// No memory for this connection: it ends, the others go on.
  template <typename Step>
  void guard(const Step& step) {
    try {
      step();
    } catch (const std::exception&) {
      close();
    }
  }

  Hub& hub_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  RequestReader reader_;
  http::response<http::string_body> reply_ = {};
  std::array<char, 4096> rest_ = {};  ///< what is thrown away
  Phase phase_ = Phase::Idle;
  Clock::time_point since_ = Clock::now();  ///< that it is in this phase
  bool has_place_ = false;
  bool is_head_ = false;  ///< asks for an answer's head alone
  bool unread_ = false;   ///< what the client still sends is not to be read
  bool keeps_open_ = false;
};

void Connection::start() {
  guard([this] {
    enter(Phase::Idle, to_time(hub_.options.idle_seconds));
    read();
  });
}

void Connection::enter(Phase phase) {
  phase_ = phase;
  since_ = Clock::now();
  timer_.cancel();
}

void Connection::enter(Phase phase, Clock::duration time) {
  phase_ = phase;
  since_ = Clock::now();
  timer_.expires_after(time);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    // It may have been set again when this call was on its way already.
    if (!error && self->timer_.expiry() <= Clock::now()) self->guard([&] { self->on_timer(); });
  });
}

void Connection::on_timer() {
  switch (phase_) {
    case Phase::Head:
    case Phase::Body:
      return refuse(ServerFault::TimedOut, 408);
    case Phase::Idle:
    case Phase::Write:
    case Phase::Drain:
      return close();
    case Phase::Waiting:
    case Phase::Answer:
    case Phase::Closed:
      return;  // set for a phase that is over
  }
}

void Connection::read() {
  const auto room = reader_.prepare();
  socket_.async_read_some(
      asio::buffer(room.data(), room.size()),
      [self = shared_from_this()](error_code error, std::size_t count) {
        self->guard([&] {
          const Phase phase = self->phase_;
          if (phase != Phase::Idle && phase != Phase::Head && phase != Phase::Body) return;
          if (!error) {
            self->reader_.commit(count);
            return self->advance();
          }
          if (error != asio::error::eof || !self->reader_.has_begun()) return self->close();
          self->refuse(ServerFault::CutShort, 400);
        });
      });
}

void Connection::advance() {
  using Step = RequestReader::Step;
  if (phase_ == Phase::Idle) {
    enter(Phase::Head, to_time(hub_.options.receive_seconds));
  }
  switch (reader_.advance()) {
    case Step::NeedMore:
      return read();
    case Step::Head:
      return take_head();
    case Step::Whole:
      return answer();
    case Step::Malformed:
      return refuse(ServerFault::Malformed, 400);
    case Step::TooLarge:
      return refuse(ServerFault::TooLarge, 413);
  }
}

void Connection::take_head() {
  const ServerRequest& head = reader_.request();
  is_head_ = head.method == "HEAD";
  if (hub_.checks_host && !head.host.empty() && !is_loopback_host(head.host, hub_.options.host)) {
    return refuse(ServerFault::ForeignHost, 403);
  }
  if (auto refused = hub_.handlers.admit(head)) {
    // What is left of the body must not be taken for the next request.
    unread_ = reader_.has_body();
    return write(std::move(*refused));
  }
  if (!reader_.has_body()) return answer();
  if (!reader_.begin_body()) return refuse(ServerFault::TooLarge, 413);
  enter(Phase::Waiting);
  hub_.take_place(shared_from_this());
}

void Connection::start_body() {
  if (phase_ != Phase::Waiting) return hub_.give_place();
  has_place_ = true;
  guard([this] {
    enter(Phase::Body, to_time(hub_.options.receive_seconds));
    if (!reader_.expects_continue()) return advance();
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(socket_, asio::buffer(kContinue.data(), kContinue.size()),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        self->guard([&] {
                          if (self->phase_ != Phase::Body) return;
                          if (error) return self->close();
                          self->advance();
                        });
                      });
  });
}

bool Connection::is_slow() const {
  const double seconds = Seconds(Clock::now() - since_).count();
  return phase_ == Phase::Body && seconds > kSlowSeconds &&
         static_cast<double>(reader_.body_bytes()) < kSlowBytesPerSecond * seconds;
}

void Connection::answer() {
  enter(Phase::Answer);
  const Stop stop = {Clock::now() + to_time(hub_.options.answer_seconds), &hub_.cancelled};
  // The connection is handed back, so that it ends on the server's thread.
  auto done = [&hub = hub_, self = shared_from_this()](ServerReply reply) mutable {
    if (self == nullptr) return;
    asio::post(hub.context, [self = std::move(self), reply = std::move(reply)]() mutable {
      self->guard([&] {
        if (self->phase_ == Phase::Answer) self->write(std::move(reply));
      });
    });
  };
  try {
    hub_.handlers.answer(std::move(reader_.request()), stop, std::move(done));
  } catch (const std::exception&) {  // no memory for this request; the next may be smaller
    refuse(ServerFault::Internal, 500);
  }
}

void Connection::refuse(ServerFault fault, int status) {
  guard([&] {
    socket_.cancel();  // a read on its way would take the answer's place
    unread_ = true;
    write(hub_.handlers.refuse(fault, status));
  });
}

void Connection::write(ServerReply reply) {
  enter(Phase::Write, kWriteTime);
  if (has_place_) {
    has_place_ = false;
    hub_.give_place();
  }
  keeps_open_ = !unread_ && !hub_.stopping && reader_.keeps_alive();
  reply_ = {};
  reply_.result(static_cast<unsigned>(reply.status));
  reply_.set(http::field::connection, keeps_open_ ? "keep-alive" : "close");
  reply_.set(http::field::content_type, reply.content_type);
  for (const auto& [name, value] : reply.headers) reply_.set(name, value);
  reply_.content_length(reply.body.size());
  if (!is_head_) reply_.body() = std::move(reply.body);
  http::async_write(socket_, reply_, [self = shared_from_this()](error_code error, std::size_t) {
    self->guard([&] {
      if (self->phase_ != Phase::Write) return;
      if (error) return self->close();
      self->finish_reply();
    });
  });
}

void Connection::finish_reply() {
  if (unread_) {
    enter(Phase::Drain, kDrainTime);
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    return drain();
  }
  if (!keeps_open_) return close();
  reader_.begin_next();
  is_head_ = false;
  reply_ = {};
  enter(Phase::Idle, to_time(hub_.options.idle_seconds));
  if (reader_.has_begun()) return advance();
  read();
}

/// Throws away what a client still sends: closing at once would reset the connection, and the
/// answer with it.
void Connection::drain() {
  socket_.async_read_some(asio::buffer(rest_),
                          [self = shared_from_this()](error_code error, std::size_t) {
                            self->guard([&] {
                              if (error) return self->close();
                              self->drain();
                            });
                          });
}

void Connection::close() {
  if (phase_ == Phase::Closed) return;
  const Shared self = shared_from_this();
  phase_ = Phase::Closed;
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  if (has_place_) {
    has_place_ = false;
    hub_.give_place();
  }
  hub_.forget(self);
}

/// errors: Output, naming the address.
Result<tcp::acceptor> listen_on(asio::io_context& context, const HttpServerOptions& options) {
  const std::string name = fmt::format("{}:{}", options.host, options.port);
  error_code error;
  tcp::resolver resolver(context);
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  for (const auto& one : found) {
    tcp::acceptor acceptor(context);
    const tcp::endpoint address = one.endpoint();
    acceptor.open(address.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(address, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) continue;
    ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
    return acceptor;
  }
  return fail(ErrorKind::Output, "cannot listen on {}: {}", name, error.message());
}

bool is_loopback(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  }
  return address.is_loopback();
}

}  // namespace

struct HttpServer::Impl final : Hub {
  void take_place(const Shared& connection) override;
  void give_place() override;
  void forget(const Shared& connection) override;
  void accept();
  void on_accept(error_code error, tcp::socket socket);
  [[nodiscard]] bool make_room();
  void look_for_slow();
  void begin_stop();
  void end_what_has_begun();
  void run();

  std::list<Shared> connections = {};
  std::deque<Shared> waiting = {};  ///< for a body's place
  int served = 0;                   ///< that have one
  std::optional<tcp::acceptor> acceptor = std::nullopt;
  asio::steady_timer accept_timer{context};
  asio::steady_timer slow_timer{context};
  asio::steady_timer stop_timer{context};
  bool accepts = false;
  int port = 0;
  std::atomic<bool> stop_asked = false;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work =
      asio::make_work_guard(context);
  std::thread thread = {};
};

void HttpServer::Impl::accept() {
  accepts = true;
  acceptor->async_accept(
      [this](error_code error, tcp::socket socket) { on_accept(error, std::move(socket)); });
}

void HttpServer::Impl::on_accept(error_code error, tcp::socket socket) {
  accepts = false;
  if (stopping) return;
  if (error) {
    // A client that is gone again, or no descriptor free.
    if (error == asio::error::no_descriptors && make_room()) {
      if (!accepts) accept();
      return;
    }
    accept_timer.expires_after(kAcceptPause);
    accept_timer.async_wait([this](error_code) {
      if (!stopping && !accepts) accept();
    });
    return;
  }
  try {
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    error_code ignored;
    // An answer may leave in two writes; the second would wait for the first one's acknowledgement.
    socket.set_option(tcp::no_delay(true), ignored);
    connections.push_back(std::make_shared<Connection>(std::move(socket), *this));
    connections.back()->start();
  } catch (const std::exception&) {
    // No memory: this client is gone, the next may find some.
  }
  const std::size_t most = static_cast<std::size_t>(options.connections) + kSpareConnections;
  if ((connections.size() < most || make_room()) && !accepts) accept();
}

/// Lets go whoever has been without a request for longest, else without the rest of its head, else
/// without a place.
bool HttpServer::Impl::make_room() {
  Shared oldest;
  for (const Phase phase : {Phase::Idle, Phase::Head, Phase::Waiting}) {
    for (const Shared& one : connections) {
      if (one->phase() != phase) continue;
      if (oldest == nullptr || one->since() < oldest->since()) oldest = one;
    }
    if (oldest != nullptr) break;
  }
  if (oldest == nullptr) return false;
  oldest->close();
  return true;
}

void HttpServer::Impl::take_place(const Shared& connection) {
  if (served < options.connections) {
    ++served;
    return connection->start_body();
  }
  waiting.push_back(connection);
  if (waiting.size() == 1) look_for_slow();
}

void HttpServer::Impl::give_place() {
  --served;
  while (!waiting.empty() && served < options.connections) {
    const Shared next = waiting.front();
    waiting.pop_front();
    if (next->phase() != Phase::Waiting) continue;
    ++served;
    // Not from here, which may be inside of another connection's step.
    asio::post(context, [next] { next->start_body(); });
  }
}

void HttpServer::Impl::look_for_slow() {
  slow_timer.expires_after(kSlowLook);
  slow_timer.async_wait([this](error_code error) {
    if (error || waiting.empty()) return;
    const std::vector<Shared> all(connections.begin(), connections.end());
    for (const Shared& one : all) {
      if (one->is_slow()) one->refuse(ServerFault::TimedOut, 408);
    }
    if (!waiting.empty()) look_for_slow();
  });
}

void HttpServer::Impl::forget(const Shared& connection) {
  connections.remove(connection);
  if (stopping && connections.empty()) {
    work.reset();
    stop_timer.cancel();
    slow_timer.cancel();
  }
  if (!stopping && !accepts && accept_timer.expiry() < Clock::now()) accept();
}

void HttpServer::Impl::begin_stop() {
  stopping = true;
  error_code ignored;
  acceptor->close(ignored);
  accept_timer.cancel();
  stop_timer.expires_after(kGrace);
  stop_timer.async_wait([this](error_code error) {
    if (!error) end_what_has_begun();
  });
  const std::vector<Shared> all(connections.begin(), connections.end());
  for (const Shared& one : all) {
    if (one->phase() == Phase::Idle) one->close();
  }
  if (connections.empty()) {
    work.reset();
    stop_timer.cancel();
  }
}

void HttpServer::Impl::end_what_has_begun() {
  cancelled = true;
  stop_timer.expires_after(kLastWords);
  stop_timer.async_wait([this](error_code) { context.stop(); });
  const std::vector<Shared> all(connections.begin(), connections.end());
  for (const Shared& one : all) {
    const Phase phase = one->phase();
    if (phase == Phase::Head || phase == Phase::Body || phase == Phase::Waiting) {
      one->refuse(ServerFault::TimedOut, 408);
    } else if (phase == Phase::Drain) {
      one->close();
    }
  }
}

void HttpServer::Impl::run() {
  while (!context.stopped()) {
    try {
      context.run();
    } catch (const std::exception&) {
      continue;  // no memory for one step
    }
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpServerOptions& options,
                                                      HttpHandlers handlers) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->handlers = std::move(handlers);
  VP_ASSIGN_OR_RETURN(impl->acceptor, listen_on(impl->context, options));
  error_code ignored;
  const tcp::endpoint address = impl->acceptor->local_endpoint(ignored);
  impl->port = address.port();
  impl->checks_host = is_loopback(address.address());
  impl->accept();
  try {
    impl->thread = std::thread([&server = *impl] { server.run(); });
  } catch (const std::system_error& error) {
    return fail(ErrorKind::Internal, "cannot start the server's thread: {}", error.what());
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const { return impl_->port; }

void HttpServer::stop() {
  if (impl_->stop_asked.exchange(true)) return;
  try {
    asio::post(impl_->context, [server = impl_.get()] { server->begin_stop(); });
  } catch (const std::exception&) {
    impl_->context.stop();  // no memory to end it gently
  }
  impl_->thread.join();
  impl_->cancelled = true;  // for what nobody waits for any more
}

}  // namespace visionpress

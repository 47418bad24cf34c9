#include "cloud/http_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "cloud/socket_stream.h"

namespace visionpress {
namespace {

constexpr std::size_t kHeadBytes = 64 << 10;
constexpr std::size_t kChunkMarks = 1 << 20;  // sizes between the chunks of a body, at most
constexpr std::size_t kRequestsAConnection = 100000;

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string say_error(int error) {
  std::array<char, 128> text = {};
  return ::strerror_r(error, text.data(), text.size());
}

/// errors: Output, naming the address.
Result<Descriptor> listen_on(const HttpServerOptions& options) {
  const std::string name = fmt::format("{}:{}", options.host, options.port);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int code =
      ::getaddrinfo(options.host.c_str(), std::to_string(options.port).c_str(), &hints, &found);
  if (code != 0) {
    return fail(ErrorKind::Output, "cannot listen on {}: {}", name, ::gai_strerror(code));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  int error = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Descriptor socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    // cpp-httplib would share the port with whoever else asks for it (SO_REUSEPORT).
    if (socket.get() >= 0 &&
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        ::bind(socket.get(), at->ai_addr, at->ai_addrlen) == 0 &&
        ::listen(socket.get(), SOMAXCONN) == 0) {
      return socket;
    }
    error = errno;
  }
  return fail(ErrorKind::Output, "cannot listen on {}: {}", name, say_error(error));
}

int find_port(int socket) {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  std::array<char, 16> port = {};
  const auto* plain = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  if (::getsockname(socket, static_cast<sockaddr*>(static_cast<void*>(&address)), &size) != 0 ||
      ::getnameinfo(plain, size, nullptr, 0, port.data(), port.size(), NI_NUMERICSERV) != 0) {
    return 0;
  }
  int value = 0;
  std::from_chars(port.data(), port.data() + std::strlen(port.data()), value);
  return value;
}

/// What the connections share.
struct Shared {
  HttpServerOptions options = {};
  HttpHandlers handlers = {};
  std::atomic<bool> stopping = false;
  std::atomic<std::size_t> waiting = 0;  ///< connections that no thread serves yet
};

/// Serves one client. A Server of its own holds what a request's steps have to tell each other; its
/// table has one path, "/", since targets are read by the handlers: its own patterns are matched by
/// std::regex after decoding, where a "%2F" in a name would split it.
class Connection : private httplib::Server {
 public:
  Connection(int socket, Shared& shared);
  void serve();

 private:
  bool wait_for_request();
  void prepare(httplib::Request& request);
  ServerReply make_reply(const httplib::ContentReader* reader);
  std::optional<ServerReply> read_body(const httplib::ContentReader& reader);
  ServerReply guard_reply(const httplib::ContentReader* reader);
  void put(const ServerReply& reply, httplib::Response& response);
  /// The length that the head promises; nothing where it is none, or two.
  std::optional<std::uint64_t> find_length(bool& chunked) const;

  Shared& shared_;
  SocketStream stream_;
  ServerRequest request_ = {};
  bool closing_ = false;  ///< what the client still sends is not to be read
  bool last_ = false;     ///< the answer says that none follows
};

Connection::Connection(int socket, Shared& shared)
    : shared_(shared), stream_(socket, shared.stopping) {
  const Handler plain = [this](const httplib::Request&, httplib::Response& response) {
    put(guard_reply(nullptr), response);
  };
  const HandlerWithContentReader with_body =
      [this](const httplib::Request&, httplib::Response& response,
             const httplib::ContentReader& reader) { put(guard_reply(&reader), response); };
  Get("/", plain);
  Options("/", plain);
  Post("/", with_body);
  Put("/", with_body);
  Patch("/", with_body);
  Delete("/", with_body);
  set_error_handler(Handler([this](const httplib::Request&, httplib::Response& response) {
    if (!response.body.empty()) return;
    closing_ = true;
    put(shared_.handlers.refuse(ServerFault::Malformed, response.status), response);
  }));
  set_expect_100_continue_handler([this](const httplib::Request&, httplib::Response& response) {
    if (auto refused = shared_.handlers.admit(request_)) {
      closing_ = true;
      put(*refused, response);
      return response.status;
    }
    bool chunked = false;
    const auto length = find_length(chunked);
    if (length && *length > shared_.options.max_body_bytes) {
      closing_ = true;
      put(shared_.handlers.refuse(ServerFault::TooLarge, 413), response);
      return response.status;
    }
    constexpr int kContinue = 100;
    return kContinue;
  });
  set_keep_alive_max_count(kRequestsAConnection);
  set_keep_alive_timeout(static_cast<time_t>(shared.options.idle_seconds));
}

/// False: no request comes, or a connection that has not begun to ask waits for this thread.
bool Connection::wait_for_request() {
  using namespace std::chrono_literals;
  const auto end =
      SocketStream::Clock::now() + std::chrono::duration<double>(shared_.options.idle_seconds);
  do {
    if (stream_.has_bytes(shared_.stopping ? 0ms : 50ms)) return true;
    if (shared_.stopping || shared_.waiting > 0) return false;
  } while (SocketStream::Clock::now() < end);
  return false;
}

void Connection::serve() {
  while (!closing_ && wait_for_request()) {
    stream_.begin_request(SocketStream::Clock::now() +
                              std::chrono::duration_cast<SocketStream::Clock::duration>(
                                  std::chrono::duration<double>(shared_.options.receive_seconds)),
                          kHeadBytes);
    request_ = {};
    bool closed = false;
    const bool went_well = process_request(stream_, shared_.stopping, closed,
                                           [this](httplib::Request& request) { prepare(request); });
    if (!stream_.has_answered() && stream_.has_read()) {
      // The request line itself was too long or never ended.
      const bool late = stream_.timed_out();
      const int status = late ? 408 : 400;
      const ServerReply reply =
          shared_.handlers.refuse(late ? ServerFault::TimedOut : ServerFault::Malformed, status);
      const std::string text = fmt::format(
          "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
          status, late ? "Request Timeout" : "Bad Request", reply.content_type, reply.body.size(),
          reply.body);
      static_cast<httplib::Stream&>(stream_).write(text);
      closing_ = true;
    }
    if (!went_well || closed || last_) break;
  }
  if (closing_) stream_.discard_rest();
}

void Connection::prepare(httplib::Request& request) {
  request_.method = request.method;
  request_.target = request.target;
  for (const auto& [name, value] : request.headers) request_.headers.emplace_back(name, value);
  // Without a type, cpp-httplib hands on the raw body. It would read the parts of a multipart body
  // with std::regex, whose recursion a long line of a part drives beyond the stack.
  request.headers.erase("Content-Type");
  request.headers.erase("Accept-Encoding");  // an answer is small
  request.ranges.clear();
  request.path.assign(1, '/');
  stream_.allow_body(shared_.options.max_body_bytes + kChunkMarks);
}

std::optional<std::uint64_t> Connection::find_length(bool& chunked) const {
  std::optional<std::uint64_t> length = 0;
  int said = 0;
  chunked = false;
  for (const auto& [name, value] : request_.headers) {
    if (equal_ignoring_case(name, "Transfer-Encoding")) {
      ++said;
      chunked = true;
      if (!equal_ignoring_case(value, "chunked")) return std::nullopt;
    } else if (equal_ignoring_case(name, "Content-Length")) {
      ++said;
      std::uint64_t number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
      length = number;
    }
  }
  if (said > 1) return std::nullopt;
  return length;
}

std::optional<ServerReply> Connection::read_body(const httplib::ContentReader& reader) {
  const std::size_t most = shared_.options.max_body_bytes;
  const auto refuse = [this](ServerFault fault, int status) {
    closing_ = true;
    return shared_.handlers.refuse(fault, status);
  };
  bool chunked = false;
  const auto length = find_length(chunked);
  if (!length) return refuse(ServerFault::Malformed, 400);
  if (*length > most) return refuse(ServerFault::TooLarge, 413);
  // cpp-httplib would read a body of no stated length until the client closes.
  if (*length == 0 && !chunked) return std::nullopt;
  bool too_large = false;
  const bool whole = reader([&](const char* data, std::size_t size) {
    too_large = size > most - request_.body.size();
    if (!too_large) request_.body.append(data, size);
    return !too_large;
  });
  if (too_large) return refuse(ServerFault::TooLarge, 413);
  if (whole) return std::nullopt;
  if (stream_.timed_out()) return refuse(ServerFault::TimedOut, 408);
  return refuse(stream_.closed_by_client() ? ServerFault::CutShort : ServerFault::Malformed, 400);
}

ServerReply Connection::make_reply(const httplib::ContentReader* reader) {
  auto refused = shared_.handlers.admit(request_);
  if (refused || reader == nullptr) {
    bool chunked = false;
    const auto length = find_length(chunked);
    // What is left of the body must not be taken for the next request.
    if (!length || *length > 0 || chunked) closing_ = true;
  } else {
    refused = read_body(*reader);
  }
  return refused ? std::move(*refused) : shared_.handlers.answer(request_);
}

ServerReply Connection::guard_reply(const httplib::ContentReader* reader) {
  try {
    return make_reply(reader);
  } catch (const std::exception&) {  // no memory for this request; the next may be smaller
    closing_ = true;
    return shared_.handlers.refuse(ServerFault::Internal, 500);
  }
}

void Connection::put(const ServerReply& reply, httplib::Response& response) {
  response.status = reply.status;
  for (const auto& [name, value] : reply.headers) response.set_header(name, value);
  last_ = closing_ || shared_.stopping;
  if (last_) response.set_header("Connection", "close");
  response.set_content(reply.body, reply.content_type);
}

}  // namespace

std::string_view ServerRequest::find_header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

struct HttpServer::Impl {
  void accept_all();
  void serve_all();

  Shared shared = {};
  Descriptor listener{};
  Descriptor wake{};  ///< readable when the server is to stop
  int port = 0;
  std::mutex mutex = {};
  std::condition_variable changed = {};
  std::deque<Descriptor> queue = {};
  SocketStream::Clock::time_point latest = {};  ///< to begin to serve one; when stopping
  std::vector<std::thread> threads = {};
};

void HttpServer::Impl::accept_all() {
  using namespace std::chrono_literals;
  const auto most = static_cast<std::size_t>(shared.options.connections) * 4;
  while (!shared.stopping) {
    std::array<pollfd, 2> both = {{{listener.get(), POLLIN, 0}, {wake.get(), POLLIN, 0}}};
    if (::poll(both.data(), both.size(), -1) < 0 || both[1].revents != 0) continue;
    Descriptor client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client.get() < 0) {
      // A client that is gone again, or no descriptor free: the others go on.
      std::this_thread::sleep_for(10ms);
      continue;
    }
    // An answer leaves in two writes; the second would wait for the first one's acknowledgement.
    const int on = 1;
    ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::unique_lock lock(mutex);
    // Beyond the limit the rest waits in the system's own queue.
    changed.wait(lock, [&] { return queue.size() < most || shared.stopping; });
    queue.push_back(std::move(client));
    shared.waiting = queue.size();
    changed.notify_all();
  }
}

void HttpServer::Impl::serve_all() {
  while (true) {
    Descriptor client;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return !queue.empty() || shared.stopping; });
      if (queue.empty()) return;
      client = std::move(queue.front());
      queue.pop_front();
      shared.waiting = queue.size();
      changed.notify_all();
      // However many nobody has begun to serve: they have as long as one that began late.
      if (shared.stopping && SocketStream::Clock::now() > latest) continue;
    }
    try {
      Connection(client.release(), shared).serve();
    } catch (const std::exception&) {
      // cpp-httplib throws where memory ends; this client's connection ends with it.
      continue;
    }
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpServerOptions& options,
                                                      HttpHandlers handlers) {
  auto impl = std::make_unique<Impl>();
  impl->shared.options = options;
  impl->shared.handlers = std::move(handlers);
  VP_ASSIGN_OR_RETURN(impl->listener, listen_on(options));
  impl->port = find_port(impl->listener.get());
  impl->wake = Descriptor(::eventfd(0, EFD_CLOEXEC));
  if (impl->wake.get() < 0) {
    return fail(ErrorKind::Internal, "cannot make an event: {}", say_error(errno));
  }
  Impl& server = *impl;
  for (int i = 0; i < options.connections; ++i) {
    server.threads.emplace_back([&server] { server.serve_all(); });
  }
  server.threads.emplace_back([&server] { server.accept_all(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const { return impl_->port; }

void HttpServer::stop() {
  {
    const std::scoped_lock lock(impl_->mutex);
    if (impl_->shared.stopping.exchange(true)) return;
    impl_->latest = SocketStream::Clock::now() + std::chrono::seconds(2);
    impl_->changed.notify_all();
  }
  const std::uint64_t one = 1;
  // An event's counter takes the eight bytes or, when full, is readable already.
  [[maybe_unused]] const ssize_t written = ::write(impl_->wake.get(), &one, sizeof one);
  for (std::thread& thread : impl_->threads) thread.join();
}

}  // namespace visionpress

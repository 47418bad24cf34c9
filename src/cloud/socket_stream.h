#pragma once

// One client's socket as cpp-httplib wants it, with a deadline and a byte limit for each request.

#include <array>
#include <atomic>
#include <chrono>
#include <string>

#include <httplib.h>

namespace visionpress {

class SocketStream final : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;

  /// socket: owned, closed at the end. stopping: when it is set, what is missing of a request has
  /// two more seconds.
  SocketStream(int socket, const std::atomic<bool>& stopping);
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;
  ~SocketStream() override;

  /// Waits at most `slice` for the first byte of a request. False: none is there.
  [[nodiscard]] bool has_bytes(std::chrono::milliseconds slice);
  /// The request that comes now ends by `deadline`, and its head within `head_bytes`.
  void begin_request(Clock::time_point deadline, std::size_t head_bytes);
  /// The head was read; `bytes` more may come.
  void allow_body(std::size_t bytes) { left_ = bytes; }
  /// For clients that are still sending: says that nothing follows, then throws away what comes,
  /// for at most two seconds. Closing at once would reset the connection, and the answer with it.
  void discard_rest();

  [[nodiscard]] bool timed_out() const { return timed_out_; }
  [[nodiscard]] bool closed_by_client() const { return closed_; }
  [[nodiscard]] bool has_answered() const { return answered_; }
  [[nodiscard]] bool has_read() const { return read_; }

  [[nodiscard]] bool is_readable() const override { return true; }
  [[nodiscard]] bool is_writable() const override { return true; }
  ssize_t read(char* to, std::size_t size) override;
  ssize_t write(const char* from, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  [[nodiscard]] socket_t socket() const override { return socket_; }

 private:
  bool fill();

  int socket_;
  const std::atomic<bool>& stopping_;
  std::array<char, 16384> buffer_ = {};
  std::size_t begin_ = 0;  ///< of what is unread in `buffer_`
  std::size_t end_ = 0;
  std::size_t left_ = 0;
  Clock::time_point deadline_ = {};
  bool hurried_ = false;
  bool timed_out_ = false;
  bool closed_ = false;
  bool answered_ = false;
  bool read_ = false;
};

}  // namespace visionpress

#include "cloud/socket_stream.h"

#include <algorithm>
#include <cerrno>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace visionpress {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSlice(100);  // how often a wait looks whether the server is to stop
constexpr std::chrono::seconds kGrace(2);
constexpr std::chrono::seconds kWriteTime(10);

/// Negative: it cannot be waited for.
int wait_for(int socket, short events, milliseconds time) {
  pollfd one = {socket, events, 0};
  const int ready = ::poll(&one, 1, static_cast<int>(std::max(time, milliseconds(0)).count()));
  return ready < 0 && errno == EINTR ? 0 : ready;
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

SocketStream::SocketStream(int socket, const std::atomic<bool>& stopping)
    : socket_(socket), stopping_(stopping) {}

SocketStream::~SocketStream() { ::close(socket_); }

bool SocketStream::has_bytes(milliseconds slice) {
  return begin_ < end_ || wait_for(socket_, POLLIN, slice) > 0;
}

void SocketStream::begin_request(Clock::time_point deadline, std::size_t head_bytes) {
  deadline_ = deadline;
  left_ = head_bytes;
  hurried_ = timed_out_ = answered_ = read_ = false;
}

bool SocketStream::fill() {
  while (true) {
    if (stopping_ && !hurried_) {
      hurried_ = true;
      deadline_ = std::min<Clock::time_point>(deadline_, Clock::now() + kGrace);
    }
    const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now());
    if (left.count() <= 0) {
      timed_out_ = true;
      return false;
    }
    const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count > 0) {
      begin_ = 0;
      end_ = static_cast<std::size_t>(count);
      return true;
    }
    if (count == 0 || !would_block(errno)) break;
    if (wait_for(socket_, POLLIN, std::min(left, kSlice)) < 0) break;
  }
  closed_ = true;
  return false;
}

ssize_t SocketStream::read(char* to, std::size_t size) {
  if (left_ == 0) return -1;
  if (begin_ == end_ && !fill()) return closed_ ? 0 : -1;
  const std::size_t count = std::min({size, end_ - begin_, left_});
  std::copy_n(buffer_.data() + begin_, count, to);
  begin_ += count;
  left_ -= count;
  read_ = true;
  return static_cast<ssize_t>(count);
}

ssize_t SocketStream::write(const char* from, std::size_t size) {
  answered_ = true;
  const auto deadline = Clock::now() + kWriteTime;
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::send(socket_, from + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      done += static_cast<std::size_t>(count);
      continue;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    if (count == 0 || !would_block(errno) || left.count() <= 0) return -1;
    if (wait_for(socket_, POLLOUT, left) < 0) return -1;
  }
  return static_cast<ssize_t>(size);
}

void SocketStream::discard_rest() {
  ::shutdown(socket_, SHUT_WR);
  const auto deadline = Clock::now() + kGrace;
  while (!closed_) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return;
    const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count > 0) continue;
    if (count == 0 || !would_block(errno)) return;
    if (wait_for(socket_, POLLIN, left) < 0) return;
  }
}

// Who asks plays no part in the answers.
void SocketStream::get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const {}
void SocketStream::get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const {}

}  // namespace visionpress

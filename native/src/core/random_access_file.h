// A file that several threads read at any place at once. Read, not mapped: what was read does not stay resident, and a
// file that is cut short while it is in use is an error with a sentence, not a signal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace lathe {

class RandomAccessFile {
 public:
  // path is UTF-8. Throws std::runtime_error, with the path and the system's reason, when it cannot be opened.
  explicit RandomAccessFile(const std::string& path);
  ~RandomAccessFile();
  RandomAccessFile(const RandomAccessFile&) = delete;
  RandomAccessFile& operator=(const RandomAccessFile&) = delete;

  std::uint64_t size() const { return size_; }  // bytes, when it was opened

  // Fills out with `bytes` bytes from `offset` on; safe from any number of threads. Throws std::runtime_error when the
  // file ends before that or the system refuses.
  void Read(std::uint64_t offset, std::uint8_t* out, std::size_t bytes) const;

 private:
  std::string path_;
  std::intptr_t handle_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace lathe

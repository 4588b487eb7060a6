#include "core/random_access_file.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#endif

namespace lathe {
namespace {

int LastError() {
#ifdef _WIN32
  return static_cast<int>(GetLastError());
#else
  return errno;
#endif
}

[[noreturn]] void Fail(const std::string& path, const char* what, int code) {
  throw std::runtime_error(path + " could not be " + what + ": " + std::system_category().message(code));
}

void Close(std::intptr_t handle) {
#ifdef _WIN32
  CloseHandle(reinterpret_cast<HANDLE>(handle));
#else
  close(static_cast<int>(handle));
#endif
}

#ifdef _WIN32
// Reads at most 1 GiB; 0 at the end of the file, -1 when the system refuses.
long long ReadSome(std::intptr_t handle, std::uint64_t offset, std::uint8_t* out, std::size_t bytes) {
  OVERLAPPED place = {};
  place.Offset = static_cast<DWORD>(offset);
  place.OffsetHigh = static_cast<DWORD>(offset >> 32);
  DWORD got = 0;
  const auto most = static_cast<DWORD>(std::min<std::size_t>(bytes, std::size_t{1} << 30));
  if (!ReadFile(reinterpret_cast<HANDLE>(handle), out, most, &got, &place)) {
    return GetLastError() == ERROR_HANDLE_EOF ? 0 : -1;
  }
  return got;
}
#else
long long ReadSome(std::intptr_t handle, std::uint64_t offset, std::uint8_t* out, std::size_t bytes) {
  long long got;
  do {
    got = pread(static_cast<int>(handle), out, bytes, static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  return got;
}
#endif

}  // namespace

RandomAccessFile::RandomAccessFile(const std::string& path) : path_(path) {
#ifdef _WIN32
  const auto wide = std::filesystem::path(std::u8string(path.begin(), path.end())).wstring();
  const HANDLE handle = CreateFileW(wide.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                                    OPEN_EXISTING, FILE_FLAG_RANDOM_ACCESS, nullptr);
  if (handle == INVALID_HANDLE_VALUE) Fail(path_, "opened", LastError());
  handle_ = reinterpret_cast<std::intptr_t>(handle);
  LARGE_INTEGER size;
  const bool known = GetFileSizeEx(handle, &size) != 0;
  if (known) size_ = static_cast<std::uint64_t>(size.QuadPart);
#else
  handle_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (handle_ < 0) Fail(path_, "opened", LastError());
  struct stat status = {};
  const bool known = fstat(static_cast<int>(handle_), &status) == 0;
  if (known) size_ = static_cast<std::uint64_t>(status.st_size);
#endif
  if (!known) {
    const int code = LastError();
    Close(handle_);  // a constructor that throws has no destructor
    Fail(path_, "measured", code);
  }
}

RandomAccessFile::~RandomAccessFile() { Close(handle_); }

void RandomAccessFile::Read(std::uint64_t offset, std::uint8_t* out, std::size_t bytes) const {
  while (bytes > 0) {
    const long long got = ReadSome(handle_, offset, out, bytes);
    if (got < 0) Fail(path_, "read", LastError());
    if (got == 0)
      throw std::runtime_error(path_ + " was cut short while it was in use: it ends at byte " + std::to_string(offset));
    out += got;
    offset += static_cast<std::uint64_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
}

}  // namespace lathe

#include "kernels/isa/window.h"

#include <math.h>  // INFINITY

#include "kernels/isa/flat.h"

namespace lathe::LATHE_ISA {
namespace {

// The part of a window that lies inside the image: rows and columns of the image, ends excluded.
struct Window {
  int top, bottom, left, right;
  std::ptrdiff_t out;  // index of the output pixel's first float
};

inline int Least(int a, int b) { return a < b ? a : b; }
inline int Most(int a, int b) { return a > b ? a : b; }

template <typename Body>
inline void ForWindows(const PoolArgs& args, Body body) {
  for (int oy = 0; oy < args.outHeight; ++oy) {
    const int y = oy * args.strideHeight - args.top;
    for (int ox = 0; ox < args.outWidth; ++ox) {
      const int x = ox * args.strideWidth - args.left;
      body(Window{Most(y, 0), Least(y + args.kernelHeight, args.height), Most(x, 0),
                  Least(x + args.kernelWidth, args.width),
                  (static_cast<std::ptrdiff_t>(oy) * args.outWidth + ox) * args.channels});
    }
  }
}

// Calls body(index of the pixel's first float) for the pixels of a window, in memory order.
template <typename Body>
inline void ForTaps(const PoolArgs& args, const Window& window, Body body) {
  for (int y = window.top; y < window.bottom; ++y) {
    for (int x = window.left; x < window.right; ++x) {
      body((static_cast<std::ptrdiff_t>(y) * args.width + x) * args.channels);
    }
  }
}

inline float Share(const PoolArgs& args, const Window& window) {
  const int pixels = args.countPadding ? args.kernelHeight * args.kernelWidth
                                       : (window.bottom - window.top) * (window.right - window.left);
  return 1.0f / static_cast<float>(pixels);
}

}  // namespace

void MaxPool(const PoolArgs& args) {
  ForWindows(args, [&](const Window& window) {
    ForFlat(static_cast<std::size_t>(args.channels), [&](auto lanes, std::size_t c) {
      Vec most = Repeat(-INFINITY);
      ForTaps(args, window, [&](std::ptrdiff_t at) {
        const Vec x = lanes.load(args.x + at + c);
        most = x > most ? x : most;
        most = x == x ? most : x;  // not a number wins
      });
      lanes.store(args.y + window.out + c, most);
    });
  });
}

void MaxPoolBackward(const PoolArgs& args) {
  ForWindows(args, [&](const Window& window) {
    ForFlat(static_cast<std::size_t>(args.channels), [&](auto lanes, std::size_t c) {
      const Vec most = lanes.load(args.y + window.out + c);
      Vec left = lanes.load(args.dy + window.out + c);  // becomes 0 where the first of equal values has taken it
      ForTaps(args, window, [&](std::ptrdiff_t at) {
        float* dx = args.dx + at + c;
        const auto hit = lanes.load(args.x + at + c) == most;
        lanes.store(dx, lanes.load(dx) + (hit ? left : Zero()));
        left = hit ? Zero() : left;
      });
    });
  });
}

void AveragePool(const PoolArgs& args) {
  ForWindows(args, [&](const Window& window) {
    const float share = Share(args, window);
    ForFlat(static_cast<std::size_t>(args.channels), [&](auto lanes, std::size_t c) {
      Vec sum = Zero();
      ForTaps(args, window, [&](std::ptrdiff_t at) { sum += lanes.load(args.x + at + c); });
      lanes.store(args.y + window.out + c, sum * share);
    });
  });
}

void AveragePoolBackward(const PoolArgs& args) {
  ForWindows(args, [&](const Window& window) {
    const float share = Share(args, window);
    ForFlat(static_cast<std::size_t>(args.channels), [&](auto lanes, std::size_t c) {
      const Vec dy = lanes.load(args.dy + window.out + c) * share;
      ForTaps(args, window, [&](std::ptrdiff_t at) {
        float* dx = args.dx + at + c;
        lanes.store(dx, lanes.load(dx) + dy);
      });
    });
  });
}

}  // namespace lathe::LATHE_ISA

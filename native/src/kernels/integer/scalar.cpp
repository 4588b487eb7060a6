// The slow twin of the integer kernels: plain loops, straight from the definitions.
#include "kernels/integer/scalar.h"

#include <algorithm>
#include <cmath>

#include "kernels/integer/tile.h"

namespace lathe {
namespace {

std::int32_t Code(std::uint8_t byte, bool isSigned) {
  return isSigned ? static_cast<std::int8_t>(byte) : static_cast<std::int32_t>(byte);
}

void Prepare(const std::uint8_t* codes, bool isSigned, int k, void* out) {
  for (int i = 0; i < k; ++i) static_cast<std::int16_t*>(out)[i] = static_cast<std::int16_t>(Code(codes[i], isSigned));
}

void Gemm(const IntegerGemmArgs& args) {
  const auto* a = static_cast<const std::int16_t*>(args.a);
  for (int i = 0; i < args.m; ++i) {
    for (int j = 0; j < args.n; ++j) {
      std::int32_t sum = args.fix ? args.fix[j] : 0;
      for (int p = 0; p < args.k; ++p) {
        sum += a[static_cast<std::ptrdiff_t>(i) * args.k + p] * args.b[static_cast<std::ptrdiff_t>(j) * args.k + p];
      }
      args.c[i * args.ldc + j] = sum;
    }
  }
}

float Clamp(float x, float low, float high) { return std::min(std::max(x, low), high); }

std::uint8_t Encode(float x, const CodeArgs& code) {
  if (code.sign) return static_cast<std::uint8_t>(static_cast<std::int8_t>(x >= 0 ? 1 : -1));
  return static_cast<std::uint8_t>(static_cast<int>(std::nearbyint(Clamp(x / code.scale, code.low, code.high))));
}

}  // namespace

void scalar::Depthwise(const IntegerDepthwiseArgs& args) {
  for (int row = 0; row < args.outRows; ++row) {
    for (int pixel = 0; pixel < args.outWidth; ++pixel) {
      for (int c = 0; c < args.channels; ++c) {
        std::int32_t sum = 0;
        const std::ptrdiff_t first =
            static_cast<std::ptrdiff_t>(row) * args.strideHeight * args.inWidth + pixel * args.strideWidth;
        for (int tap = 0; tap < args.taps; ++tap) {
          const std::int32_t weight =
              args.weight[(static_cast<std::ptrdiff_t>(tap / 2) * args.channels + c) * 2 + tap % 2];
          sum += Code(args.x[first * args.channels + args.tapOffsets[tap] + c], args.isSigned) * weight;
        }
        args.y[(static_cast<std::ptrdiff_t>(row) * args.outWidth + pixel) * args.channels + c] = sum;
      }
    }
  }
}

void scalar::Requantize(const RequantizeArgs& args) {
  std::size_t at = 0;
  for (int row = 0; row < args.rows; ++row) {
    for (int c = 0; c < args.channels; ++c, ++at) {
      const float product = static_cast<float>(args.acc[at]) * args.scale[c];
      const float y = Clamp(product + args.shift[c], args.least, args.most);
      if (args.values) {
        args.values[at] = y;
      } else {
        args.codes[at] = Encode(y, args.code);
      }
    }
  }
}

void scalar::EncodeAll(const float* x, std::size_t count, const CodeArgs& code, std::uint8_t* codes) {
  for (std::size_t i = 0; i < count; ++i) codes[i] = Encode(x[i], code);
}

const IntegerKernels& ScalarIntegerKernels() {
  static const IntegerKernels kernels = {
      .name = "scalar",
      .rows = 1,
      .panel = 1,
      .group = 1,
      .elementBytes = 2,
      .offset = 0,
      .prepare = Prepare,
      .gemm = Gemm,
      .depthwise = scalar::Depthwise,
      .requantize = scalar::Requantize,
      .encode = scalar::EncodeAll,
  };
  return kernels;
}

// The VNNI kernel's loops over a plain-C form of its one instruction: what can be said of that kernel on a processor
// without it.
namespace {

struct EmulatedVnni {
  static constexpr int kWidth = 16, kGroup = 4, kRows = 12;
  struct Sum {
    std::int32_t lanes[kWidth];
  };
  struct Codes {
    std::uint8_t bytes[kWidth * kGroup];
  };
  using Element = std::uint8_t;
  static Sum Zero() { return {}; }
  static Codes LoadWeights(const std::int8_t* p) {
    Codes codes;
    for (int i = 0; i < kWidth * kGroup; ++i) codes.bytes[i] = static_cast<std::uint8_t>(p[i]);
    return codes;
  }
  static Codes Repeat(const Element* p) {
    Codes codes;
    for (int i = 0; i < kWidth * kGroup; ++i) codes.bytes[i] = p[i % kGroup];
    return codes;
  }
  // VPDPBUSD (Intel SDM, volume 2): four products of an unsigned and a signed byte, each a 16-bit value, are added to
  // the 32-bit lane without saturation.
  static Sum Add(Sum sum, const Codes& a, const Codes& b) {
    for (int lane = 0; lane < kWidth; ++lane) {
      std::uint32_t total = static_cast<std::uint32_t>(sum.lanes[lane]);
      for (int i = 0; i < kGroup; ++i) {
        const int product = a.bytes[lane * kGroup + i] * static_cast<std::int8_t>(b.bytes[lane * kGroup + i]);
        total += static_cast<std::uint32_t>(product);
      }
      sum.lanes[lane] = static_cast<std::int32_t>(total);
    }
    return sum;
  }
  static void Store(std::int32_t* p, const Sum& sum) { std::copy_n(sum.lanes, kWidth, p); }
};

}  // namespace

const IntegerKernels& EmulatedVnniKernels() {
  static const IntegerKernels kernels = {
      .name = "vnni, emulated",
      .rows = EmulatedVnni::kRows,
      .panel = kPanelVectors * EmulatedVnni::kWidth,
      .group = EmulatedVnni::kGroup,
      .elementBytes = 1,
      .offset = 128,
      .prepare =
          [](const std::uint8_t* codes, bool isSigned, int k, void* out) {
            PrepareOffsetBytes(codes, isSigned, k, EmulatedVnni::kGroup, static_cast<std::uint8_t*>(out));
          },
      .gemm = IntegerProduct<EmulatedVnni>,
      .depthwise = scalar::Depthwise,
      .requantize = scalar::Requantize,
      .encode = scalar::EncodeAll,
  };
  return kernels;
}

}  // namespace lathe

// testing: one integer kernel alone, in the form in use, as its scalar twin, or as VNNI's loops over an emulated
// instruction.
#include "binding/testing_integer.h"

#include <vector>

#include "binding/convert.h"
#include "binding/guard.h"
#include "kernels/integer/scalar.h"

namespace lathe::binding {
namespace {

const IntegerKernels& KernelsNamed(const Napi::Value& implementation) {
  const std::string name = implementation.IsString() ? implementation.As<Napi::String>().Utf8Value() : "";
  if (name == "fast") return IntegerKernelsFor(ActiveSimdLevel());
  if (name == "reference") return ScalarIntegerKernels();
  if (name == "emulated-vnni") return EmulatedVnniKernels();
  throw Napi::RangeError::New(implementation.Env(), "implementation must be 'fast', 'reference' or 'emulated-vnni'");
}

void Require(Napi::Env env, bool condition, const char* what) {
  if (!condition) throw Napi::RangeError::New(env, what);
}

Napi::Int32Array MakeInt32Array(Napi::Env env, const std::vector<std::int32_t>& values) {
  auto array = Napi::Int32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

std::vector<std::int32_t> Product(const IntegerKernels& kernels, int m, int n, int k, bool isSigned,
                                  const std::uint8_t* codes, const std::int8_t* weights) {
  std::vector<std::int8_t> packed(IntegerPackedSize(kernels, k, n));
  PackIntegerWeights(kernels, weights, k, n, packed.data());
  const std::size_t rowBytes = static_cast<std::size_t>(PaddedDepth(kernels, k)) * kernels.elementBytes;
  std::vector<std::uint8_t> prepared(rowBytes * m);
  for (int i = 0; i < m; ++i)
    kernels.prepare(codes + static_cast<std::ptrdiff_t>(i) * k, isSigned, k, &prepared[i * rowBytes]);
  std::vector<std::int32_t> fix(n), c(static_cast<std::size_t>(m) * n);
  for (int j = 0; j < n; ++j) {
    for (int p = 0; p < k; ++p) fix[j] -= kernels.offset * weights[static_cast<std::ptrdiff_t>(j) * k + p];
  }
  IntegerGemmArgs args;
  args.m = m;
  args.n = n;
  args.k = k;
  args.a = prepared.data();
  args.b = packed.data();
  args.fix = isSigned && kernels.offset != 0 ? fix.data() : nullptr;
  args.c = c.data();
  args.ldc = n;
  kernels.gemm(args);
  return c;
}

// ({m, n, k, signed, codes (m, k), weights (n, k)}, implementation) -> (m, n)
Napi::Value RunProduct(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&]() -> Napi::Value {
    const Napi::Object options = OptionsOf(info);
    const int m = GetInt(options, "m"), n = GetInt(options, "n"), k = GetInt(options, "k");
    Require(env, m > 0 && n > 0 && k > 0 && m <= 4096 && n <= 4096 && k <= 16384, "m, n, k must be positive and small");
    const auto codes = GetView<std::uint8_t>(options, "codes");
    const auto weights = GetView<std::int8_t>(options, "weights");
    Require(env, codes.size == static_cast<std::size_t>(m) * k, "codes must be (m, k)");
    Require(env, weights.size == static_cast<std::size_t>(n) * k, "weights must be (n, k)");
    return MakeInt32Array(
        env, Product(KernelsNamed(info[1]), m, n, k, GetBool(options, "signed"), codes.data, weights.data));
  });
}

// ({rows, width, channels, kernel, stride, signed, codes (rows, width, channels), weights (channels, kernel * kernel)},
// implementation): a padded tile to (outRows, outWidth, channels)
Napi::Value RunDepthwise(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&]() -> Napi::Value {
    const Napi::Object options = OptionsOf(info);
    const int rows = GetInt(options, "rows"), width = GetInt(options, "width"), channels = GetInt(options, "channels");
    const int kernel = GetInt(options, "kernel"), stride = GetInt(options, "stride");
    Require(env, kernel > 0 && stride > 0 && rows >= kernel && width >= kernel && channels > 0, "the kernel must fit");
    const auto codes = GetView<std::uint8_t>(options, "codes");
    const auto weights = GetView<std::int8_t>(options, "weights");
    const int taps = kernel * kernel;
    Require(env, codes.size == static_cast<std::size_t>(rows) * width * channels,
            "codes must be (rows, width, channels)");
    Require(env, weights.size == static_cast<std::size_t>(taps) * channels,
            "weights must be (channels, kernel, kernel)");
    std::vector<std::int16_t> pairs(static_cast<std::size_t>((taps + 1) / 2) * channels * 2);
    std::vector<std::ptrdiff_t> offsets(taps);
    for (int tap = 0; tap < taps; ++tap) {
      offsets[tap] = static_cast<std::ptrdiff_t>(tap / kernel * width + tap % kernel) * channels;
      for (int c = 0; c < channels; ++c) {
        pairs[(static_cast<std::size_t>(tap / 2) * channels + c) * 2 + tap % 2] = weights.data[c * taps + tap];
      }
    }
    IntegerDepthwiseArgs args;
    args.outRows = (rows - kernel) / stride + 1;
    args.outWidth = (width - kernel) / stride + 1;
    args.inWidth = width;
    args.channels = channels;
    args.strideHeight = args.strideWidth = stride;
    args.taps = taps;
    args.tapOffsets = offsets.data();
    args.isSigned = GetBool(options, "signed");
    args.x = codes.data;
    args.weight = pairs.data();
    std::vector<std::int32_t> y(static_cast<std::size_t>(args.outRows) * args.outWidth * channels);
    args.y = y.data();
    KernelsNamed(info[1]).depthwise(args);
    return MakeInt32Array(env, y);
  });
}

// ({channels, acc (rows, channels), scale, shift, least, most, codeScale, low, high, sign, wantCodes}, implementation):
// values as Float32Array, or codes as Uint8Array
Napi::Value RunRequantize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&]() -> Napi::Value {
    const Napi::Object options = OptionsOf(info);
    const auto acc = GetView<std::int32_t>(options, "acc");
    const auto scale = GetView<float>(options, "scale"), shift = GetView<float>(options, "shift");
    RequantizeArgs args;
    args.channels = GetInt(options, "channels");
    const auto channels = static_cast<std::size_t>(args.channels);
    Require(env, args.channels > 0 && acc.size % channels == 0, "acc must be (rows, channels)");
    Require(env, scale.size == channels && shift.size == channels, "scale and shift must have a value a channel");
    args.rows = static_cast<int>(acc.size / channels);
    args.acc = acc.data;
    args.scale = scale.data;
    args.shift = shift.data;
    args.least = static_cast<float>(GetNumber(options, "least"));
    args.most = static_cast<float>(GetNumber(options, "most"));
    args.code.scale = static_cast<float>(GetNumber(options, "codeScale"));
    args.code.low = static_cast<float>(GetNumber(options, "low"));
    args.code.high = static_cast<float>(GetNumber(options, "high"));
    args.code.sign = GetBool(options, "sign");
    std::vector<float> values(acc.size);
    std::vector<std::uint8_t> codes(acc.size);
    const bool wantCodes = GetBool(options, "wantCodes");
    if (wantCodes) {
      args.codes = codes.data();
    } else {
      args.values = values.data();
    }
    KernelsNamed(info[1]).requantize(args);
    if (!wantCodes) return MakeFloat32Array(env, values.data(), values.size());
    auto array = Napi::Uint8Array::New(env, codes.size());
    std::copy(codes.begin(), codes.end(), array.Data());
    return array;
  });
}

}  // namespace

void AddIntegerTesting(Napi::Env env, Napi::Object testing) {
  testing.Set("integerProduct", Napi::Function::New(env, RunProduct, "integerProduct"));
  testing.Set("integerDepthwise", Napi::Function::New(env, RunDepthwise, "integerDepthwise"));
  testing.Set("requantize", Napi::Function::New(env, RunRequantize, "requantize"));
}

}  // namespace lathe::binding

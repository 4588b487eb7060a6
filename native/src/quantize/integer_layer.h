// A convolution or linear operator in integer arithmetic, as hardware would run it: codes of 8 bits at most come in,
// are multiplied by codes of weights into 32-bit sums, and one float multiply and one add a channel (scales, bias and
// folded batch norm) make the value that leaves, as it is or as the next operator's code.
#pragma once

#include <cstdint>
#include <vector>

#include "core/partition.h"
#include "kernels/integer/integer.h"
#include "quantize/weights.h"
#include "train/op.h"
#include "train/ops/strips.h"

namespace lathe {

// How activations are coded.
CodeArgs CodeOf(const Quantizer& quantizer);

class IntegerLayer {
 public:
  // `op` gives shapes and the folded affine of codes (InferencePass), `weights` is as in the parameter array. Throws
  // std::invalid_argument, naming the operator, where a sum could leave 32 bits or where its weights are a codebook,
  // which has no integer form.
  IntegerLayer(const OpSpec& spec, const Op& op, const OpQuantizer& quantizer, const float* weights,
               const Kernels& floatKernels, const IntegerKernels& kernels);

  // Where results go: values (images, H, W, C) where `code` is null, else codes of the same shape.
  struct Output {
    float* values = nullptr;
    std::uint8_t* codes = nullptr;
    const CodeArgs* code = nullptr;
  };
  // codes is (images, H, W, C). Runs on all threads, where the caller computes no chunk of a region itself.
  void Run(const Kernels& kernels, int images, const std::uint8_t* codes, const Output& out) const;

  const CodeArgs& inputCode() const { return inputCode_; }

 private:
  void RefuseOverflow(const std::string& name, const std::vector<std::int8_t>& codes) const;
  void PackDepthwise(const std::vector<std::int8_t>& codes);
  void PackGroups(const std::vector<std::int8_t>& codes);

  void RunRows(const Kernels& kernels, int rows, const std::uint8_t* codes, const Output& out) const;
  void RunDepthwise(const Kernels& kernels, int images, const std::uint8_t* codes, const Output& out) const;
  void RunPatches(const Kernels& kernels, int images, const std::uint8_t* codes, const Output& out) const;

  void RunPatchStrip(const Kernels& kernels, int image, Range rows, const std::uint8_t* codes, const Output& out) const;

  // Cuts `items`, in which `rows` rows of products are done.
  Partition Chunks(int items, int grain, std::size_t rows) const;
  // Calls body(image, first output row, output rows) for strips of all images, on the pool's threads.
  template <typename Body>
  void ForTiles(int images, Body body) const;
  int StripRows() const;
  // Rows of a block of `depth` prepared activations and n_ sums that stay in the second-level cache.
  int BlockRows(int depth) const;
  void Multiply(int rows, int group, const void* prepared, std::int32_t* sums) const;
  // sums (rows, n_) to the output from row `first` on; uses `values` (rows, n_) where the activation is not a clamp.
  void Finish(const Kernels& kernels, int rows, std::size_t first, const std::int32_t* sums, float* values,
              const Output& out) const;

  const IntegerKernels& kernels_;
  ConvGeometry geometry_;
  int groups_, k_, n_;  // k: of one group; n: of all
  bool depthwise_, rowwise_;
  int rowsPerImage_;
  bool signed_;
  int largestInput_;
  CodeArgs inputCode_;
  float alpha_ = 0, beta_ = 0;  // of the activation
  Activation activation_;
  float least_, most_;  // the activation where it is a clamp
  bool clamps_;
  std::vector<float> scale_, shift_;        // (n)
  std::vector<std::int8_t> packed_;         // by group
  std::size_t packedGroup_ = 0;             // bytes of a group
  std::vector<std::int32_t> fix_;           // (n); empty where nothing is to be taken off
  std::vector<std::int16_t> pairs_;         // depthwise: (ceil(taps / 2), channels, 2)
  std::vector<std::ptrdiff_t> tapOffsets_;  // depthwise
};

}  // namespace lathe

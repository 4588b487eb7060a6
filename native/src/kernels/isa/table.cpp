// This level's table.
#include "kernels/isa/depthwise.h"
#include "kernels/isa/elementwise.h"
#include "kernels/isa/gemm.h"
#include "kernels/isa/roof.h"
#include "kernels/isa/vec.h"
#include "kernels/isa/window.h"

namespace lathe::LATHE_ISA {

extern const Kernels kKernels;
const Kernels kKernels = {
    .level = kWidth == 16  ? SimdLevel::kAvx512
             : kWidth == 8 ? SimdLevel::kAvx2
                           : SimdLevel::kBaseline,
    .width = kWidth,
    .gemmRows = kGemmRows,
    .gemmPanel = kGemmPanel,
    .gemm = Gemm,
    .packRows = PackRows,
    .packColumns = PackColumns,
    .depthwise = Depthwise,
    .depthwiseData = DepthwiseData,
    .depthwiseWeights = DepthwiseWeights,
    .affine = ApplyAffine,
    .columnMoments = ColumnMoments,
    .columnSum = ColumnSum,
    .gradientSink = GradientSink,
    .normBackward = NormBackward,
    .add = Add,
    .scale = Scale,
    .multiply = Multiply,
    .columnDot = ColumnDot,
    .dropout = Dropout,
    .maxPool = MaxPool,
    .maxPoolBackward = MaxPoolBackward,
    .averagePool = AveragePool,
    .averagePoolBackward = AveragePoolBackward,
    .quantize = Quantize,
    .sgd = Sgd,
    .adam = Adam,
    .lerp = Lerp,
    .peakMultiplyAdds = kPeakChains * kWidth,
    .peak = Peak,
    .triad = Triad,
};

}  // namespace lathe::LATHE_ISA

/** How large an ONNX file may be in each respect. Every figure bounds the time and the memory that a file can cost. */
export const limits = {
  fileBytes: 1024 * 1024 * 1024, // protobuf itself ends at 2 GiB; such files keep their weights outside
  fields: 4_000_000, // fields of all messages; NASNet-A has about 30,000
  depth: 40, // of nested messages
  listBytes: 256 * 1024 * 1024, // numbers written as lists (float_data) in place of raw_data, all together
  varintListBytes: 48 * 1024 * 1024, // of those the ones that are decoded number by number (int32_data, int64_data)
  nodes: 100_000,
  rank: 8,
  tensorValues: 2 ** 28, // 1 GiB of floats
  weightValues: 2 ** 28, // of all weights together
  foldedValues: 2 ** 24, // of a constant that is computed, not stored
  foldedTotalValues: 2 ** 27, // of all of them together
  nameCharacters: 1000,
} as const;

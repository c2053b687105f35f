// Embedding, RMSNorm, matrix products, SwiGLU and row gather on CUDA against the fp64 references.
#include <string>

#include "tests/kernels/cuda/cuda_test.h"

namespace batucada {
namespace {

using DenseOpsTest = CudaTest;

// A Dense as a checkpoint tensor: fp32 values kept alive beside it.
struct HostMatrix {
  std::vector<float> values;
  HostTensor view;
  explicit HostMatrix(const Dense& m) : values(m.values.begin(), m.values.end()) {
    view = {.data = values.data(), .dtype = DType::kF32, .rows = m.rows, .cols = m.cols};
  }
};

TEST_F(DenseOpsTest, EmbedTakesDecodeRowsFromWhatTheirSlotSampled) {
  const int32_t vocab = 97;
  for (const int64_t cols : {1, 40, 384, 2816}) {
    const Dense table = Random(vocab, cols, 1, DType::kBf16);
    const HostMatrix host(table);
    const Matrix matrix = *ops().LoadMatrix({{host.view}}, 64, 8, "table");
    DeviceBatch b = MakeBatch({{1, 5}, {1, 9}, {7, 0}, {3, 2}}, 2, 6);
    std::vector<int32_t> ids, last(6);
    for (int32_t& id : last) id = RandomInt(0, vocab - 1);
    for (int i = 0; i < b.view.num_tokens; ++i) ids.push_back(i < 2 ? -1 : RandomInt(0, vocab - 1));
    const Buffer ids_device = UploadVector(ids), last_device = UploadVector(last);
    b.view.token_ids = ids_device.As<int32_t>();
    b.view.last_token = last_device.As<int32_t>();
    const DeviceTensor out = Poisoned(b.view.num_tokens, cols, DType::kF32, 3);
    ops().Embed(matrix, b.view, out.view);
    Finish();
    const Dense got = Download(out.view);
    for (int t = 0; t < b.view.num_tokens; ++t) {
      const size_t row = static_cast<size_t>(t);
      const int32_t id = t < 2 ? last[static_cast<size_t>(b.slots[row])] : ids[row];
      for (int64_t c = 0; c < cols; ++c) ASSERT_EQ(got.At(t, c), table.At(id, c)) << "row " << t;
    }
  }
}

TEST_F(DenseOpsTest, RmsNorm) {
  for (const int64_t cols : {1, 37, 384, 1536, 2048, 2304, 2816, 4098, 8192}) {
    for (const int64_t extra : {0, 1, 8}) {
      const Dense x = Random(5, cols, 3, DType::kF32);
      const Dense weight = Random(1, cols, 1, DType::kF32);
      const DeviceTensor in = Upload(x, DType::kF32, extra), w = Upload(weight, DType::kF32);
      const DeviceTensor out = Poisoned(5, cols, DType::kBf16, extra);
      ops().RmsNorm(in.view, w.view.As<float>(), 1e-5f, out.view);
      Finish();
      EXPECT_CLOSE(Download(out.view), reference::RmsNorm(x, weight.values, 1e-5), 1e-2) << cols << " cols";
    }
  }
}

struct Product {
  int64_t rows, n, k;
};

class MatMulTest : public CudaTest {
 protected:
  // To bf16, to fp32 and added, with strides wider than the rows.
  void Check(const Product& p) {
    SCOPED_TRACE(std::to_string(p.rows) + " rows, " + std::to_string(p.k) + " -> " + std::to_string(p.n));
    const Dense weight = Random(p.n, p.k, 0.2, DType::kBf16), x = Random(p.rows, p.k, 1, DType::kBf16);
    const Dense acc = Random(p.rows, p.n, 1, DType::kF32);
    const HostMatrix host(weight);
    const Matrix w = *ops().LoadMatrix({{host.view}}, 1, 1, "w");
    const DeviceTensor in = Upload(x, DType::kBf16, 8);
    const DeviceTensor bf16 = Poisoned(p.rows, p.n, DType::kBf16, 8), f32 = Poisoned(p.rows, p.n, DType::kF32, 8);
    const DeviceTensor added = Upload(acc, DType::kF32, 8);
    ops().MatMul(w, in.view, bf16.view);
    ops().MatMul(w, in.view, f32.view);
    ops().MatMulAdd(w, in.view, added.view);
    Finish();
    Dense expected = reference::MatMul(weight, x);
    EXPECT_CLOSE(Download(bf16.view), expected, 1e-2);
    EXPECT_CLOSE(Download(f32.view), expected, 1e-5);
    for (size_t i = 0; i < expected.values.size(); ++i) expected.values[i] += acc.values[i];
    EXPECT_CLOSE(Download(added.view), expected, 1e-5);
  }

  // The sum and the norm of it, whether or not they are one pass.
  void CheckAddNorm(int64_t rows) {
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{64, 72}, {384, 1544}, {2048, 264}, {2816, 2048}, {33, 40}}) {
      const Dense weight = Random(n, k, 0.1, DType::kBf16), x = Random(rows, k, 1, DType::kBf16);
      const Dense acc = Random(rows, n, 1, DType::kF32), scale = Random(1, n, 1, DType::kF32);
      const HostMatrix host(weight);
      const Matrix w = *ops().LoadMatrix({{host.view}}, 1, 1, "w");
      const DeviceTensor in = Upload(x, DType::kBf16, 8), sum = Upload(acc, DType::kF32, 4);
      const DeviceTensor scale_device = Upload(scale, DType::kF32);
      const DeviceTensor out = Poisoned(rows, n, DType::kBf16, 8);
      ops().MatMulAddNorm(w, in.view, sum.view, scale_device.view.As<float>(), 1e-5f, out.view);
      Finish();
      Dense expected = reference::MatMul(weight, x);
      for (size_t i = 0; i < expected.values.size(); ++i) expected.values[i] += acc.values[i];
      EXPECT_CLOSE(Download(sum.view), expected, 1e-5) << rows << " rows, " << k << " -> " << n;
      EXPECT_CLOSE(Download(out.view), reference::RmsNorm(expected, scale.values, 1e-5), 1e-2) << rows << " rows";
    }
  }
};

// On Hopper, these run through our own kernel in all its shapes.
TEST_F(MatMulTest, FewRows) {
  for (const Product& p : {Product{1, 64, 64},
                           {1, 72, 24},
                           {2, 512, 384},
                           {3, 56, 768},
                           {5, 1000, 136},
                           {7, 64, 2048},
                           {8, 384, 768},
                           {13, 256, 1544},
                           {16, 2048, 512},
                           {17, 136, 512},
                           {1, 160, 4096},
                           {4, 4096, 128},
                           {9, 2048, 2056},
                           {24, 2560, 2048}})
    Check(p);
}

// On Hopper, most of these run through the kernel for larger steps: one block a tile, clusters, odd widths.
TEST_F(MatMulTest, MediumRows) {
  for (const Product& p : {Product{33, 520, 512},
                           {64, 264, 1032},
                           {40, 96, 4096},
                           {48, 2048, 1032},
                           {64, 300, 2040},
                           {64, 8192, 264},
                           {57, 2050, 4096},
                           {64, 2048, 8256},
                           {63, 131, 72},
                           {33, 16512, 64},
                           {41, 2560, 2048},
                           {64, 4096, 8},
                           {65, 2048, 1032},
                           {97, 160, 4096},
                           {100, 2560, 520},
                           {128, 2049, 2048},
                           {128, 8192, 136},
                           {65, 128, 256}})
    Check(p);
}

TEST_F(MatMulTest, AddNorm) {
  for (const int64_t rows : {1, 32, 33, 47, 64, 65, 100, 128}) CheckAddNorm(rows);
}

// Through cuBLASLt.
TEST_F(MatMulTest, ManyRows) {
  CheckAddNorm(200);
  for (const Product& p : {Product{64, 17000, 64}, {129, 384, 384}, {300, 200, 128}}) Check(p);
}

TEST_F(DenseOpsTest, LoadMatrixStacksAndPads) {
  const Dense a = Random(3, 5, 1, DType::kBf16), b = Random(6, 5, 1, DType::kBf16);
  const HostMatrix host_a(a), host_b(b);
  const Matrix m = *ops().LoadMatrix({{host_a.view, host_b.view}}, 4, 8, "stacked");
  ASSERT_EQ(m.out, 12);
  ASSERT_EQ(m.in, 8);
  const Dense got = Download({.data = m.storage.data(), .dtype = DType::kBf16, .rows = 12, .cols = 8, .stride = 8});
  for (int64_t r = 0; r < 12; ++r) {
    for (int64_t c = 0; c < 8; ++c) {
      double expected = 0;
      if (c < 5 && r < 3) expected = a.At(r, c);
      if (c < 5 && r >= 4 && r < 10) expected = b.At(r - 4, c);
      EXPECT_EQ(got.At(r, c), expected) << r << ", " << c;
    }
  }
  const Dense odd = Random(2, 4, 1, DType::kBf16);
  const HostMatrix host_odd(odd);
  EXPECT_EQ(ops().LoadMatrix({{host_a.view, host_odd.view}}, 1, 1, "uneven").status().code(),
            absl::StatusCode::kInvalidArgument);
}

// Through every kind of product: SwiGLU as the sums are stored, and after cuBLASLt's.
TEST_F(DenseOpsTest, MatMulSwiGlu) {
  for (const int64_t rows : {1, 8, 13, 32, 33, 48, 64, 65, 100, 200}) {
    for (const auto& [m, k] : {std::pair<int64_t, int64_t>{1, 16}, {33, 72}, {256, 520}, {1000, 384}}) {
      const Dense gate = Random(m, k, 0.1, DType::kBf16), up = Random(m, k, 0.1, DType::kBf16);
      const Dense x = Random(rows, k, 1, DType::kBf16);
      const HostMatrix host_gate(gate), host_up(up);
      const Matrix w = *ops().LoadGateUp(host_gate.view, host_up.view, 8, "gate_up");
      ASSERT_EQ(w.out, (m + 7) / 8 * 16);
      const DeviceTensor in = Upload(x, DType::kBf16, 8), scratch = Poisoned(rows, w.out, DType::kBf16, 4);
      const DeviceTensor out = Poisoned(rows, w.out / 2, DType::kBf16, 3);
      ops().MatMulSwiGlu(w, in.view, scratch.view, out.view);
      Finish();
      const Dense gates = reference::MatMul(gate, x), ups = reference::MatMul(up, x);
      Dense halves(rows, w.out);
      for (int64_t t = 0; t < rows; ++t) {
        for (int64_t i = 0; i < m; ++i) {
          halves.At(t, i) = gates.At(t, i);
          halves.At(t, w.out / 2 + i) = ups.At(t, i);
        }
      }
      EXPECT_CLOSE(Download(out.view), reference::SwiGlu(halves), 1e-2) << rows << " rows, " << k << " -> " << m;
    }
  }
  const Dense a = Random(4, 8, 1, DType::kBf16), b = Random(5, 8, 1, DType::kBf16);
  const HostMatrix host_a(a), host_b(b);
  EXPECT_EQ(ops().LoadGateUp(host_a.view, host_b.view, 8, "uneven").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(DenseOpsTest, GatherRows) {
  const Dense x = Random(20, 130, 1, DType::kF32);
  const DeviceTensor in = Upload(x, DType::kF32, 2), out = Poisoned(4, 130, DType::kF32, 6);
  const std::vector<int32_t> rows = {19, 0, 7, 7};
  const Buffer rows_device = UploadVector(rows);
  ops().GatherRows(in.view, rows_device.As<int32_t>(), out.view);
  Finish();
  const Dense got = Download(out.view);
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t c = 0; c < 130; ++c) ASSERT_EQ(got.At(i, c), x.At(rows[static_cast<size_t>(i)], c));
  }
}

}  // namespace
}  // namespace batucada

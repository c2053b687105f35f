"""batucada-bench runs: every figure that was asked for is there, beside its floor. How fast it is, no test can say."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class BenchTest(unittest.TestCase):

    def test_every_figure_is_there(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "figures.json"
            subprocess.run([os.environ["BATUCADA_BENCH"], str(ROOT / "models/samba-classics-18m"), "--batch", "1,3",
                            "--context", "64", "--prompt", "96", "--loop", "3", "--losses", "100", "--name", "m", "--json",
                            str(out)],
                           check=True, capture_output=True, timeout=600)
            figures = json.loads(out.read_text(encoding="utf-8"))
        parts = {row["name"]: row for row in figures if " x " in row["name"]}
        rows = {row["name"]: row for row in figures if row["name"] not in parts}
        self.assertEqual({"ceiling/bandwidth/m", "ceiling/gemm/m", "decode/m/b1/c64", "decode/m/b3/c64", "prefill/m/96",
                          "step_loop/m/b3"}, set(rows))
        for name, row in rows.items():
            self.assertGreater(row["value"], 0, name)
            if not name.startswith("ceiling/"):
                self.assertGreater(row["floor"], 0, name)
        # What a step takes less without each kind of op, and how often it has it: four pairs of layers, two MLPs each.
        for batch in ("b1", "b3"):
            kinds = {name.rsplit("/", 1)[1] for name in parts if name.startswith(f"decode/m/{batch}/c64/")}
            self.assertLessEqual({"1 x embed", "1 x sample", "4 x attention", "4 x matmul_selective_scan",
                                  "8 x matmul_swiglu [2048, 384]",
                                  "4 x matmul_causal_conv [1536, 384]", "1 x matmul [8192, 384]"}, kinds)
        for name, row in parts.items():
            self.assertGreaterEqual(row["value"], 0, name)
            self.assertEqual(row["floor"] > 0, "[" in name or "attention" in name or "scan" in name, name)


if __name__ == "__main__":
    unittest.main()

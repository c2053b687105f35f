"""bench/compare.py: what is a loss, what is noise, what is missing."""

import importlib.util
import json
import pathlib
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("compare", ROOT / "bench" / "compare.py")
gate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gate)


def figure(name, value, unit="tokens/s", floor=200.0, share=None):
    share = value / floor if share is None else share
    return {"name": name, "value": value, "unit": unit, "floor": floor, "share_of_floor": share}


class CompareTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.count = 0

    def tearDown(self):
        self.folder.cleanup()

    def runs(self, *runs):
        paths = []
        for figures in runs:
            path = pathlib.Path(self.folder.name) / f"{self.count}.json"
            self.count += 1
            path.write_text(json.dumps(figures), encoding="utf-8")
            paths.append(str(path))
        return ",".join(paths)

    def gate(self, old, new, *flags):
        return gate.main([self.runs(*old), self.runs(*new), *flags])

    def test_rates_may_rise_and_times_fall(self):
        self.assertEqual(0, self.gate([[figure("a", 100)]], [[figure("a", 150)]]))
        self.assertEqual(1, self.gate([[figure("a", 100)]], [[figure("a", 96)]]))
        self.assertEqual(0, self.gate([[figure("a", 100, "us")]], [[figure("a", 50, "us")]]))
        self.assertEqual(1, self.gate([[figure("a", 100, "us")]], [[figure("a", 105, "us")]]))
        self.assertEqual(1, self.gate([[figure("a", 2.0, "ms/step")]], [[figure("a", 2.2, "ms/step")]]))

    def test_small_losses_pass(self):
        self.assertEqual(0, self.gate([[figure("a", 100)]], [[figure("a", 97.5)]]))
        self.assertEqual(1, self.gate([[figure("a", 100)]], [[figure("a", 97.5)]], "--loss", "2"))

    def test_the_noise_of_two_runs_is_no_loss(self):
        self.assertEqual(0, self.gate([[figure("a", 100)], [figure("a", 110)]], [[figure("a", 97)], [figure("a", 98)]]))
        self.assertEqual(1, self.gate([[figure("a", 100)], [figure("a", 101)]], [[figure("a", 90)], [figure("a", 91)]]))

    def test_what_is_missing_is_a_loss_and_what_is_new_is_none(self):
        self.assertEqual(1, self.gate([[figure("a", 1), figure("b", 1)]], [[figure("a", 1)]]))
        self.assertEqual(0, self.gate([[figure("a", 1)]], [[figure("a", 1), figure("b", 1)]]))
        self.assertEqual(1, self.gate([[]], [[]]))

    def test_ceilings_are_the_cards_own(self):
        self.assertEqual(0, self.gate([[figure("ceiling/copy", 4), figure("a", 1)]], [[figure("ceiling/copy", 3), figure("a", 1)]]))

    def test_shares_compare_cards(self):
        old, new = [[figure("a", 100, floor=200)]], [[figure("a", 80, floor=160)]]
        self.assertEqual(1, self.gate(old, new))
        self.assertEqual(0, self.gate(old, new, "--by", "share"))


if __name__ == "__main__":
    unittest.main()

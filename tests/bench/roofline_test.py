"""bench/roofline.py: the committed picture is of the committed figures, and those are the pages'."""

import importlib.util
import json
import pathlib
import re
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs" / "benchmarks"
spec = importlib.util.spec_from_file_location("roofline", ROOT / "bench" / "roofline.py")
roofline = importlib.util.module_from_spec(spec)
spec.loader.exec_module(roofline)


def figure(batch, value, **more):
    return {"name": f"decode/m/b{batch}", "value": value, "unit": "ms/step", "floor": value / 2, "share_of_floor": 0.5,
            "commit": "c0ffee1", **more}


class RooflineTest(unittest.TestCase):

    def texts(self, figures, model="m", context=roofline.WINDOW):
        svg = roofline.draw([("card", figures, [("Model", model, context)])])
        return [element.text for element in xml.etree.ElementTree.fromstring(svg).iter() if element.text]

    def test_the_picture_is_of_the_figures(self):
        self.assertEqual(roofline.committed(), (FIGURES / "roofline.svg").read_text(encoding="utf-8"),
                         "python bench/roofline.py draws it anew")

    def test_figures_agree_with_themselves_and_their_pages(self):
        for file, page in (("h100.json", "h100.md"), ("h200.json", "h200-model.md"), ("h200-family.json", "h200-model.md")):
            cells = re.findall(r"(?<![\d,])([\d.]+) \((\d+)%\)", (FIGURES / page).read_text(encoding="utf-8"))
            told = {(float(value), int(share)) for value, share in cells}
            for _, name, panels in roofline.ROWS:
                for _, model, context in panels if name == file else []:
                    figures = json.loads((FIGURES / file).read_text(encoding="utf-8"))
                    for point in roofline.points(figures, model, context)[""]:
                        milliseconds = float(f"{1e3 * point.batch / point.tokens:.4g}")
                        self.assertIn((milliseconds, round(100 * point.share)), told, f"{file}: {model}, batch {point.batch}")
            for row in json.loads((FIGURES / file).read_text(encoding="utf-8")):
                if row["name"].startswith("decode/"):
                    self.assertAlmostEqual(row["floor"] / row["value"], row["share_of_floor"], delta=0.005, msg=row["name"])

    def test_a_floor_bends_where_products_take_longer_than_weights(self):
        def floor(batch):
            return max(0.8, 0.005 * batch) + 0.007 * batch
        for batch, tokens in roofline.between({batch: floor(batch) for batch in (1, 16, 64, 256)}, bends=True):
            self.assertAlmostEqual(tokens, batch / floor(batch), delta=1e-9 * tokens, msg=batch)

    def test_what_is_drawn(self):
        ours = [figure(1, 2), figure(4, 2.5), figure(8, 4), figure(8, 9, name="decode/m/b8/c64"), figure(8, 9, name="prefill/m/8")]
        texts = self.texts(ours)
        self.assertIn("One card, commit c0ffee1", texts)
        self.assertEqual([text for text in texts if "tokens/s at" in text],
                         ["500 tokens/s at batch 1", "1,600 tokens/s at batch 4", "2,000 tokens/s at batch 8"])
        self.assertEqual(texts.count("50%"), 3)
        others = [figure(4, 800, unit="tokens/s", engine="vLLM 0.1.2", commit="", floor=0, share_of_floor=0),
                  figure(8, 5, engine="another 3")]
        texts = self.texts(ours + others)
        for text in ("vLLM 0.1.2", "another 3", "vLLM 0.1.2: 800 tokens/s at batch 4", "another 3: 1,600 tokens/s at batch 8"):
            self.assertEqual(texts.count(text), 1, text)
        self.assertIn("One card, commit c0ffee1", texts)

    def test_too_few_figures_are_named(self):
        with self.assertRaisesRegex(SystemExit, "fewer than three batches of decode/m at 64 tokens"):
            self.texts([figure(1, 2), figure(4, 2), figure(8, 4)], context=64)


if __name__ == "__main__":
    unittest.main()

"""tools/convert.py: random tiny models are written in the layouts of training code, converted, and must come back as
they were; what cannot be converted is refused by name."""
import json
import pathlib
import pickle
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = HERE.parents[1] / "tools"
sys.path.insert(0, str(HERE))
from torch_writer import Saved, save  # noqa: E402

D, E, N, R, VOCAB, WIDTH = 24, 48, 16, 3, 40, 56


def read_safetensors(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    kinds = {"F32": np.float32, "BF16": np.uint16}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + at for at in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[begin:end], kinds[entry["dtype"]]).reshape(entry["shape"])
    return tensors


class Convert(unittest.TestCase):

    def setUp(self):
        self.random = np.random.default_rng(3)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.dir = pathlib.Path(self.folder.name)

    def tensor(self, *shape):
        return self.random.standard_normal(shape).astype(np.float32)

    def convert(self, checkpoint, *arguments):
        run = subprocess.run([sys.executable, TOOLS / "convert.py", checkpoint, self.dir / "out", *arguments],
                             capture_output=True, text=True, timeout=300, check=False)
        return run.returncode, run.stderr

    def converted(self, checkpoint, *arguments):
        code, error = self.convert(checkpoint, *arguments)
        self.assertEqual(code, 0, error)
        return (json.loads((self.dir / "out" / "config.json").read_text()),
                read_safetensors(self.dir / "out" / "model.safetensors"))

    def refusal(self, value, *arguments):
        save(self.dir / "x.pth", value)
        code, error = self.convert(self.dir / "x.pth", *arguments)
        self.assert_refused(code, error)
        return error

    def assert_refused(self, code, error):
        """In a sentence, and nothing is left behind."""
        self.assertEqual(code, 1, error)
        self.assertRegex(error, r"^convert: [^\n]+\n$")
        self.assertEqual(list((self.dir / "out").glob("*")), [])

    def mamba(self):
        return {"in_proj.weight": self.tensor(2 * E, D), "conv1d.weight": self.tensor(E, 1, 4),
                "conv1d.bias": self.tensor(E), "x_proj.weight": self.tensor(R + 2 * N, E),
                "dt_proj.weight": self.tensor(E, R), "dt_proj.bias": self.tensor(E), "A_log": self.tensor(E, N),
                "D": self.tensor(E), "out_proj.weight": self.tensor(D, E)}

    def samba(self, heads, groups, size):
        """Tensors of a served Samba: Mamba, attention."""
        served = {"backbone.embeddings.weight": self.tensor(VOCAB, D), "backbone.norm_f.weight": self.tensor(D)}
        for i in range(4):
            layer = f"backbone.layers.{i}."
            mixer = self.mamba() if i % 2 == 0 else {
                "q_proj.weight": self.tensor(heads * size, D), "k_proj.weight": self.tensor(groups * size, D),
                "v_proj.weight": self.tensor(groups * size, D), "o_proj.weight": self.tensor(D, heads * size)}
            served.update({f"{layer}mixer.{name}": value for name, value in mixer.items()})
            served[layer + "mixer_norm.weight"], served[layer + "mlp_norm.weight"] = self.tensor(D), self.tensor(D)
            served[layer + "mlp.gate_proj.weight"] = self.tensor(WIDTH, D)
            served[layer + "mlp.up_proj.weight"] = self.tensor(WIDTH, D)
            served[layer + "mlp.down_proj.weight"] = self.tensor(D, WIDTH)
        return served

    def to_lit_gpt(self, served, heads, groups):
        """The same in lit_gpt's layout, each tensor by its definition there."""
        size = D // heads
        names = {"mixer_norm.weight": "norm_1.weight", "mlp_norm.weight": "norm_2.weight",
                 "mlp.gate_proj.weight": "mlp.swiglu.w1.weight", "mlp.up_proj.weight": "mlp.swiglu.w2.weight",
                 "mlp.down_proj.weight": "mlp.swiglu.w3.weight", "mixer.o_proj.weight": "attn.proj.weight"}
        model = {"transformer.wte.weight": Saved(served["backbone.embeddings.weight"])}
        model["lm_head.weight"] = model["transformer.wte.weight"]
        model["transformer.ln_f.weight"] = Saved(served["backbone.norm_f.weight"])
        for name, value in served.items():
            if not name.startswith("backbone.layers."):
                continue
            i, rest = name.removeprefix("backbone.layers.").split(".", 1)
            new = f"transformer.h.{i}."
            if rest == "mixer.q_proj.weight":
                q = value.reshape(heads, size, D)
                k = served[name.replace("q_proj", "k_proj")].reshape(groups, size, D)
                v = served[name.replace("q_proj", "v_proj")].reshape(groups, size, D)
                ratio = heads // groups
                parts = []
                for g in range(groups):
                    parts += [*q[g * ratio:(g + 1) * ratio], k[g], v[g]]
                model[new + "attn.attn.weight"] = Saved(np.concatenate(parts))
            elif "k_proj" not in rest and "v_proj" not in rest:
                model[new + names.get(rest, rest.replace("mixer.", "attn."))] = Saved(value)
        return model

    def assert_same(self, got, expected):
        self.assertEqual(sorted(got), sorted(expected))
        for name, value in expected.items():
            np.testing.assert_array_equal(got[name], value, err_msg=name)

    def test_lit_gpt_round_trip(self):
        for name, heads, groups in (("Samba_421M", 12, 12), ("Samba_421M_gqa4", 12, 4), ("Samba_421M_mqa6", 6, 1)):
            with self.subTest(name):
                served = self.samba(heads, groups, D // heads)
                save(self.dir / "x.pth", {"model": self.to_lit_gpt(served, heads, groups), "optimizer": {"state": {}},
                                          "hparams": {"model_name": name}, "iter_num": 7, "step_count": 7})
                config, tensors = self.converted(self.dir / "x.pth")
                self.assert_same(tensors, served)
                self.assertEqual(config["attn"], dict(layers=[1, 3], num_heads=heads, num_kv_heads=groups,
                                                      qkv_bias=False, window_size=2048, rope_theta=10000.0))
                self.assertEqual([config[k] for k in ("model_type", "intermediate_size", "time_step_rank", "mlp_width",
                                                      "tie_word_embeddings")], ["samba", E, R, WIDTH, True])

    def test_reads_what_torch_itself_wrote(self):
        config, tensors = self.converted(HERE / "made_by_torch.pth")
        self.assertEqual([config["attn"][k] for k in ("num_heads", "num_kv_heads", "layers")], [12, 4, [1]])

        def numbers(name):
            values = tensors[name]
            if values.dtype == np.uint16:
                values = (values.astype(np.uint32) << 16).view(np.float32)
            return values.astype(np.float64)
        said = json.loads((HERE / "made_by_torch.json").read_text())
        names = {"backbone.embeddings.weight": "wte.weight", "backbone.norm_f.weight": "ln_f.weight"}
        names.update({f"backbone.layers.0.mixer.{name}": f"h.0.attn.{name}"
                      for name in ("A_log", "in_proj.weight", "conv1d.weight", "dt_proj.bias")})
        names["backbone.layers.1.mixer.o_proj.weight"] = "h.1.attn.proj.weight"
        for ours, theirs in names.items():
            dtype, ends, total = said["transformer." + theirs]
            values = numbers(ours)
            self.assertEqual(tensors[ours].dtype == np.uint16, dtype == "torch.bfloat16", ours)
            np.testing.assert_array_equal(np.r_[values.flat[:4], values.flat[-4:]], ends, err_msg=ours)
            self.assertAlmostEqual(values.sum(), total, 9, ours)
        qkv = sum(numbers(f"backbone.layers.1.mixer.{part}_proj.weight").sum() for part in "qkv")
        self.assertAlmostEqual(qkv, said["transformer.h.1.attn.attn.weight"][2], 9)

    def test_views_and_types(self):
        served = self.samba(12, 12, 2)
        model = self.to_lit_gpt(served, 12, 12)
        pool = np.concatenate([np.zeros(5, np.float32), served["backbone.norm_f.weight"]])
        model["transformer.ln_f.weight"] = Saved(pool, offset=5, shape=(D,))
        turned = np.ascontiguousarray(served["backbone.layers.0.mixer.out_proj.weight"].T)
        model["transformer.h.0.attn.out_proj.weight"] = Saved(turned, shape=(D, E), stride=(1, D))
        save(self.dir / "x.pth", model)
        _, tensors = self.converted(self.dir / "x.pth", "--name", "Samba_421M")
        self.assert_same(tensors, served)
        _, rounded = self.converted(self.dir / "x.pth", "--name", "Samba_421M", "--dtype", "bf16")
        matrix = rounded["backbone.layers.1.mixer.k_proj.weight"]
        self.assertEqual(matrix.dtype, np.uint16)
        back = (matrix.astype(np.uint32) << 16).view(np.float32)
        np.testing.assert_allclose(back, served["backbone.layers.1.mixer.k_proj.weight"], rtol=2**-8)
        self.assertEqual(rounded["backbone.layers.0.mixer.A_log"].dtype, np.float32)

    def test_mamba_originals(self):
        model = {"backbone.embedding.weight": Saved(self.tensor(VOCAB, D)),
                 "backbone.norm_f.weight": Saved(self.tensor(D))}
        model["lm_head.weight"] = model["backbone.embedding.weight"]
        for i in range(2):
            model[f"backbone.layers.{i}.norm.weight"] = Saved(self.tensor(D))
            model.update({f"backbone.layers.{i}.mixer.{k}": Saved(v) for k, v in self.mamba().items()})
        folder = self.dir / "mamba"
        folder.mkdir()
        given = dict(d_model=D, n_layer=2, vocab_size=VOCAB - 3, ssm_cfg={}, rms_norm=True, residual_in_fp32=True,
                     fused_add_norm=True, pad_vocab_size_multiple=8)
        (folder / "config.json").write_text(json.dumps(given))
        (folder / "tokenizer.json").write_text("{}")
        (folder / "additional_chat_templates").mkdir()
        (folder / "additional_chat_templates/tool_use.jinja").write_text("{{ tools }}")
        save(folder / "pytorch_model.bin", model)
        config, tensors = self.converted(folder)
        expected = {name.replace("embedding.", "embeddings."): saved.values for name, saved in model.items()
                    if name != "lm_head.weight"}
        self.assert_same(tensors, expected)
        self.assertEqual([config[k] for k in ("model_type", "vocab_size", "intermediate_size", "num_hidden_layers",
                                              "tie_word_embeddings")], ["mamba", VOCAB, E, 2, True])
        self.assertTrue((self.dir / "out" / "tokenizer.json").is_file())
        self.assertTrue((self.dir / "out" / "additional_chat_templates/tool_use.jinja").is_file())
        shutil.rmtree(self.dir / "out")
        for text, error in ((json.dumps({**given, "ssm_cfg": {"layer": "Mamba2"}}), "ssm_cfg.layer is 'Mamba2'"),
                            (json.dumps({**given, "ssm_cfg": [1]}), "ssm_cfg is [1], expected an object"),
                            (json.dumps({**given, "d_model": "24"}), "d_model is '24', expected a number"),
                            (json.dumps({**given, "n_layer": 3}), "n_layer is 3, the file holds 2 layers"),
                            ("[]", "config.json holds no object"), ("{", "config.json: Expecting property name")):
            with self.subTest(error):
                (folder / "config.json").write_text(text)
                code, message = self.convert(folder)
                self.assert_refused(code, message)
                self.assertIn(error, message)
        (folder / "pytorch_model.bin").unlink()
        self.assertIn("pytorch_model.bin", self.convert(folder)[1])

    def archscale_flash(self, mup):
        """phi4miniflash with 8 layers: (the run's tensors, the served ones), µP folded by hand."""
        heads, groups, size, depth = 8, 4, 3, 8
        branch = np.float32(1 / np.sqrt(16) if mup else 1)
        query = np.float32(np.sqrt(128 / size) if mup else 1)
        logits = np.float32(8 / depth if mup else 1)
        model, served = {}, {}

        def put(old, new, value, factor=np.float32(1)):
            model[old] = Saved(value)
            served[new] = value * factor
        put("transformer.wte.weight", "model.embed_tokens.weight", self.tensor(VOCAB, D))
        model["lm_head.weight"] = model["transformer.wte.weight"]
        for part in ("weight", "bias"):
            put(f"transformer.ln_f.{part}", f"model.final_layernorm.{part}", self.tensor(D), logits)
        for i in range(depth):
            old, new = f"transformer.h.{i}.", f"model.layers.{i}."
            for a, b in (("norm_1", "input_layernorm"), ("norm_2", "post_attention_layernorm")):
                for part in ("weight", "bias"):
                    put(f"{old}{a}.{part}", f"{new}{b}.{part}", self.tensor(D))
            put(old + "mlp.w1.weight", new + "mlp.fc1.weight", self.tensor(2 * WIDTH, D))
            put(old + "mlp.w3.weight", new + "mlp.fc2.weight", self.tensor(D, WIDTH), branch)
            if i == 6:
                put(old + "attn.gmu.in_proj.weight", new + "attn.in_proj.weight", self.tensor(E, D))
                put(old + "attn.gmu.out_proj.weight", new + "attn.out_proj.weight", self.tensor(D, E), branch)
            elif i % 2 == 0:
                for name, value in self.mamba().items():
                    put(f"{old}attn.{name}", f"{new}attn.{name}", value,
                        branch if name == "out_proj.weight" else np.float32(1))
            else:
                q, qb = self.tensor(heads * size, D), self.tensor(heads * size)
                model[old + "attn.q_proj.weight"], model[old + "attn.q_proj.bias"] = Saved(q), Saved(qb)
                weights, biases = [q * query], [qb * query]
                if i != 7:
                    k, v = self.tensor(groups * size, D), self.tensor(groups * size, D)
                    vb = self.tensor(groups * size)
                    model.update({old + "attn.k_proj.weight": Saved(k), old + "attn.v_proj.weight": Saved(v),
                                  old + "attn.v_proj.bias": Saved(vb)})
                    weights, biases = [*weights, k, v], [*biases, np.zeros_like(vb), vb]
                served[new + "attn.Wqkv.weight"] = np.concatenate(weights)
                served[new + "attn.Wqkv.bias"] = np.concatenate(biases)
                put(old + "attn.proj.weight", new + "attn.out_proj.weight", self.tensor(D, heads * size), branch)
                put(old + "attn.proj.bias", new + "attn.out_proj.bias", self.tensor(D), branch)
                for name in ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"):
                    put(f"{old}attn.da.{name}", f"{new}attn.inner_cross_attn.{name}", self.tensor(size))
                put(old + "attn.da.subln.weight", new + "attn.inner_cross_attn.subln.weight", self.tensor(2 * size))
        return model, served

    def test_archscale_phi4flash(self):
        for mup in (False, True):
            with self.subTest(mup=mup):
                model, served = self.archscale_flash(mup)
                save(self.dir / "x.pth", {"model": {f"_orig_mod.{name}": value for name, value in model.items()}})
                config, tensors = self.converted(self.dir / "x.pth", "--name", "phi4miniflash_d8", "--train-name",
                                                 "run_mup" if mup else "run")
                self.assertEqual(sorted(tensors), sorted(served))
                for name, value in served.items():
                    np.testing.assert_allclose(tensors[name], value, rtol=2e-7, err_msg=name)
                self.assertEqual([config[k] for k in ("model_type", "num_attention_heads", "num_key_value_heads",
                                                      "sliding_window", "mamba_expand", "intermediate_size")],
                                 ["phi4flash", 8, 4, 512, 2, WIDTH])

    def test_what_cannot_be_folded_is_refused_by_name(self):
        model = self.to_lit_gpt(self.samba(12, 12, 2), 12, 12)
        self.assertIn("two mixers in one block", self.refusal({"model": model}, "--name", "Mamba_SWA_MLP_400M"))
        self.assertIn("an MLP in place of Mamba", self.refusal({"model": model}, "--name", "Samba_421M_abl_mamba"))
        self.assertIn("does not say which model", self.refusal({"model": model}))
        bias = {**model, "transformer.h.1.attn.proj.bias": Saved(self.tensor(D))}
        self.assertIn("transformer.h.1.attn.proj.bias", self.refusal({"model": bias}, "--name", "Samba_421M"))
        missing = {k: v for k, v in model.items() if not k.endswith("h.2.attn.D")}
        self.assertIn("transformer.h.2.attn.D is missing", self.refusal({"model": missing}, "--name", "Samba_421M"))
        self.assertIn("heads, which do not divide", self.refusal({"model": model}, "--name", "Samba_1.3B"))
        self.assertIn("12 heads of 2 and 4 of K and V, 40 rows: is it right?",
                      self.refusal({"model": model}, "--name", "Samba_421M_gqa4"))
        flash, _ = self.archscale_flash(False)
        self.assertIn("expected samba_dN", self.refusal({"model": flash}, "--name", "sambay_d8"))
        self.assertIn("the file holds 8", self.refusal({"model": flash}, "--name", "phi4miniflash_d12"))
        self.assertIn("qknorm", self.refusal({"model": flash}, "--name", "phi4miniflash_d8", "--train-name", "a_qknorm"))

    def test_wrong_tensors_are_refused_by_name(self):
        model = self.to_lit_gpt(self.samba(12, 12, 2), 12, 12)
        prefix = "transformer.h.2.attn."
        for name in ("conv1d.bias", "dt_proj.bias", "D", "x_proj.weight", "out_proj.weight"):
            shape = tuple(size + 1 for size in model[prefix + name].shape)
            with self.subTest(name):
                error = self.refusal({**model, prefix + name: Saved(self.tensor(*shape))}, "--name", "Samba_421M")
                self.assertIn(f"tensor {prefix}{name} has shape {list(shape)}, expected", error)
        narrow = {**model, "transformer.h.2.mlp.swiglu.w1.weight": Saved(self.tensor(8, D)),
                  "transformer.h.2.mlp.swiglu.w2.weight": Saved(self.tensor(8, D)),
                  "transformer.h.2.mlp.swiglu.w3.weight": Saved(self.tensor(D, 8))}
        flash, _ = self.archscale_flash(False)
        halves = {"transformer.h.2.mlp.w1.weight": Saved(self.tensor(2 * WIDTH + 1, D))}
        memory = {"transformer.h.6.attn.gmu.in_proj.weight": Saved(self.tensor(E + 1, D))}
        heads = {"transformer.h.1.attn.q_proj.weight": Saved(self.tensor(25, D))}
        counts = np.arange(D, dtype=np.int64)
        for tensors, name, error in (
                (narrow, "Samba_421M", f"layers differ in their MLP width: [8, {WIDTH}]"),
                ({**model, "transformer.ln_f.weight": Saved(counts, "I64")}, "Samba_421M", "ln_f.weight has type I64"),
                ({**model, "transformer.h.x.D": Saved(self.tensor(2))}, "Samba_421M", "expected a layer's number"),
                ({**model, "module.lm_head.weight": model["lm_head.weight"]}, "Samba_421M", "two tensors are called lm_head"),
                ({7: model["lm_head.weight"]}, "Samba_421M", "the state dict has the key 7"),
                ({"transformer.wte.weight": model["lm_head.weight"]}, "Samba_421M", "the file holds no layers"),
                ({**flash, **halves}, "phi4miniflash_d8", "expected as many for the gate"),
                ({**flash, **memory}, "phi4miniflash_d8", f"gmu.in_proj.weight has shape [{E + 1}, {D}], expected [{E}, {D}]"),
                ({**flash, **heads}, "phi4miniflash_d8", "q_proj.weight has 25 rows, expected a multiple of 3")):
            with self.subTest(error):
                self.assertIn(error, self.refusal({"model": tensors}, "--name", name))
        save(self.dir / "x.pth", model)
        code, error = self.convert(self.dir / "x.pth", "--name", "Samba_421M", "--tokenizer", self.dir)
        self.assert_refused(code, error)
        self.assertIn("holds neither tokenizer.json nor tokenizer.model", error)

    def test_tensors_stay_within_what_is_stored(self):
        model = self.to_lit_gpt(self.samba(12, 12, 2), 12, 12)
        stored = self.tensor(D)
        for offset, shape, stride, error in ((0, (D,), (10**9,), "reaches beyond the 24 numbers"),
                                             (1, (D,), (1,), "reaches beyond the 24 numbers"),
                                             (D - 1, (D,), (-1,), "none can be"), (-1, (D,), (1,), "none can be"),
                                             (0, (D,), (1, 1), "none can be")):
            with self.subTest(error, offset=offset, stride=stride):
                view = Saved(stored, offset=offset, shape=shape, stride=stride)
                self.assertIn(error, self.refusal({**model, "transformer.ln_f.weight": view}, "--name", "Samba_421M"))

    def test_damaged_files_are_refused(self):
        whole = self.dir / "whole.pth"
        save(whole, self.to_lit_gpt(self.samba(12, 12, 2), 12, 12))
        bytes_ = whole.read_bytes()
        with zipfile.ZipFile(whole) as archive:
            records = {name: archive.read(name) for name in archive.namelist()}
        one = "archive/data/5"
        flipped = bytearray(bytes_)
        flipped[bytes_.index(records[one])] ^= 1

        def rewritten(**changed):
            path = self.dir / "rewritten.pth"
            with zipfile.ZipFile(path, "w") as archive:
                for name, data in {**records, **{f"archive/{k}": v for k, v in changed.items()}}.items():
                    if data is not None:
                        archive.writestr(name, data)
            return path.read_bytes()
        for data, error in (
                (bytes_[:len(bytes_) // 2], "cut short or damaged"), (bytes_[:-30], "cut short or damaged"),
                (b"", "no zip file"), (bytes(flipped), f"record {one} cannot be read: Bad CRC-32"),
                (rewritten(**{"data/5": None}), f"record {one} is missing"),
                (rewritten(**{"data/5": records[one][:-2]}), f"record {one} has {len(records[one]) - 2} bytes, expected"),
                (rewritten(**{"data.pkl": b"\x80\x02}"}), "record archive/data.pkl cannot be read"),
                (rewritten(**{"data.pkl": records["archive/data.pkl"][:-40]}), "record archive/data.pkl cannot be read"),
                (rewritten(**{"data.pkl": None}), "holds 0 files data.pkl"), (rewritten(byteorder=b"big"), "is big-endian")):
            with self.subTest(error):
                (self.dir / "x.pth").write_bytes(data)
                code, message = self.convert(self.dir / "x.pth", "--name", "Samba_421M")
                self.assert_refused(code, message)
                self.assertIn(error, message)
        code, message = self.convert(self.dir / "nowhere.pth")
        self.assert_refused(code, message)
        self.assertIn("No such file", message)

    def test_pickles_run_nothing(self):
        class Bomb:
            def __reduce__(self):
                return (pathlib.Path.touch, (pathlib.Path(self.mark),))
        Bomb.mark = str(self.dir / "ran")
        with zipfile.ZipFile(self.dir / "x.pth", "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"model": Bomb()}))
        code, error = self.convert(self.dir / "x.pth")
        self.assertEqual(code, 1)
        self.assertIn("only tensors and plain containers are read", error)
        self.assertFalse((self.dir / "ran").exists())
        (self.dir / "y.pth").write_bytes(b"\x80\x02}q\x00.")
        self.assertIn("is no zip file", self.convert(self.dir / "y.pth")[1])


if __name__ == "__main__":
    unittest.main()

"""Small tests of the patch renderer: python -m unittest discover -s models/build. They need numpy and Pillow alone."""

import json
import tempfile
import tomllib
import unittest
from pathlib import Path

import numpy as np

from camera import encode
from skin_net import anatomy, calibrate, chart, judge, labels, paired, shards, treat
from skin_net.capture import MARGIN, Settings, forward, hand, metered, photograph, rig, warped
from skin_net.fields import blur
from skin_net.render import inner, packed, sample, scene
from skin_net.surface import Surface

SIZE = 128


def seed_with(what, first=0):
    """The first seed whose skin has at least two of something."""
    return next(s for s in range(first, first + 100) if len(getattr(anatomy.draw(s, SIZE + 2 * MARGIN), what)) >= 2)


class Rendering(unittest.TestCase):
    def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(self):
        one, again, other = sample(3, SIZE), sample(3, SIZE), sample(4, SIZE)
        for a, b, c in zip(one.pictures, again.pictures, other.pictures):
            self.assertEqual(a.tobytes(), b.tobytes())
            self.assertNotEqual(a.tobytes(), c.tobytes())
        self.assertEqual(packed(one.truth).tobytes(), packed(again.truth).tobytes())

    def test_labels_belong_to_the_scene_and_not_to_its_captures(self):
        # A network taught by labels of the capture learns to count fewer pores in worse pictures.
        wild, calm = sample(5, SIZE), sample(5, SIZE, camera=rig)
        self.assertNotEqual(wild.pictures[0].tobytes(), wild.pictures[1].tobytes())
        self.assertNotEqual(wild.pictures[0].tobytes(), calm.pictures[0].tobytes())
        self.assertEqual(packed(wild.truth).tobytes(), packed(calm.truth).tobytes())

    def test_leaving_the_pores_out_changes_nothing_else(self):
        seed = seed_with("spots")
        full, bare = scene(seed, SIZE), scene(seed, SIZE, pores=False)
        self.assertTrue(np.array_equal(full.density, bare.density))
        self.assertTrue(np.array_equal(full.planes(pores=False), bare.planes()))
        self.assertEqual(float(labels.of(bare).maps[labels.PORE].max()), 0.0)

    def test_every_tone_class_is_reached_and_lies_in_its_range(self):
        for tone, (_, low, high) in enumerate(anatomy.TONES):
            skin = anatomy.draw(9, SIZE, tone=tone)
            angle = anatomy.typology_angle(skin.melanin)
            self.assertTrue(low - 1 <= angle <= high + 1, f"tone {tone}: {angle}")

    def test_shards_broken_off_are_made_again_and_whole_ones_are_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = shards.make(folder, 7, 2, processes=1)
            before = Path(paths[0]).stat().st_mtime_ns
            pictures, truths, tones = shards.load(shards.make(folder, 7, 2, processes=1))
            self.assertEqual(Path(paths[0]).stat().st_mtime_ns, before)
            self.assertEqual(pictures.shape, (2, 2, 256, 256, 3))
            self.assertTrue(np.array_equal(truths[0], packed(sample(7).truth)))
            self.assertEqual(int(tones[1]), anatomy.draw(8, 288).tone)


class Planted(unittest.TestCase):
    def test_removal_takes_exactly_its_share_and_leaves_the_rest_as_it_was(self):
        skin = anatomy.draw(seed_with("wrinkles"), SIZE)
        after, planted = treat.after(skin, "removed", 0.2)
        n = len(skin.pores)
        self.assertEqual(int(planted.gone.sum()), round(0.2 * n))
        self.assertEqual(len(after.pores), n - round(0.2 * n))
        self.assertTrue(np.array_equal(after.pores.contrast, skin.pores.contrast[~planted.gone]))
        self.assertTrue(np.array_equal(Surface(skin).planes(pores=False), Surface(after).planes(pores=False)))

    def test_fading_is_exact_and_uneven_fading_differs_from_place_to_place(self):
        skin = anatomy.draw(11, SIZE)
        even, _ = treat.after(skin, "faded", 0.25)
        uneven, planted = treat.after(skin, "uneven", 0.15)
        self.assertTrue(np.allclose(even.pores.contrast, 0.75 * skin.pores.contrast))
        self.assertGreater(planted.kept.std(), 0.02)
        self.assertTrue((planted.kept >= 0.7 - 1e-9).all() and (planted.kept <= 1).all())
        self.assertTrue(np.allclose(uneven.pores.contrast, planted.kept * skin.pores.contrast))

    def test_redness_reddens_and_spots_go(self):
        skin = anatomy.draw(seed_with("spots"), SIZE)
        redder, _ = treat.after(skin, "redness", 0.1)
        before, after = Surface(skin).planes(), Surface(redder).planes()
        self.assertLess(float((after[1] / before[1]).mean()), float((after[0] / before[0]).mean()))
        clear, _ = treat.after(skin, "spots", 1.0)
        self.assertEqual(clear.spots, [])
        with self.assertRaises(ValueError):
            treat.after(skin, "cured", 1.0)


class Cameras(unittest.TestCase):
    def test_a_card_in_the_scene_comes_back_through_a_plain_capture(self):
        planes = chart.lay(scene(2, 256).planes(), (30, 40), 30)
        still = Settings(blur_px=0.3, noise=0.0)
        pixels = photograph(np.random.default_rng(1), planes, still)
        expected = encode(chart.SQUARES * metered(planes)) * 255
        found = chart.read(pixels, (30 - MARGIN, 40 - MARGIN), 30)
        self.assertLess(float(np.abs(found - expected).max()), 1.5)

    def test_a_turned_capture_shows_the_pores_where_its_pose_says(self):
        mark = np.zeros((1, 160, 160), np.float32)
        mark[0, 90, 70] = 1
        settings = hand(np.random.default_rng(5))
        seen = warped(mark, settings, 128)[0]
        row, column = np.unravel_index(seen.argmax(), seen.shape)
        where = forward(settings, [(70, 90)], 160, 128)[0]
        self.assertLess(np.hypot(*(where - (column, row))), 1.0)

    def test_the_labels_lie_where_the_picture_shows_them(self):
        made = sample(3, SIZE, camera=lambda rng: Settings(blur_px=0.4, noise=0.3), captures=1)
        truth = inner(labels.of(made.surface))
        green = np.log(made.pictures[0][..., 1].astype(float) + 1)
        x, y = np.round(truth.centres[:, 0]).astype(int), np.round(truth.centres[:, 1]).astype(int)
        inside = (x > 8) & (y > 8) & (x < SIZE - 8) & (y < SIZE - 8)
        ring = np.mean([green[y[inside] + dy, x[inside] + dx] for dx, dy in ((-8, 0), (8, 0), (0, -8), (0, 8))], axis=0)
        self.assertGreater(float((ring > green[y[inside], x[inside]]).mean()), 0.9)


class Judging(unittest.TestCase):
    def test_a_thick_line_thins_to_its_middle_and_specks_are_left_out(self):
        mask = np.zeros((40, 60), bool)
        mask[18:23, 5:55] = True
        mask[2, 2] = True
        kept = judge.long_pieces(mask, 12)
        self.assertEqual(int(kept.sum()), 5 * 50)
        thin = judge.thinned(kept)
        self.assertTrue(set(np.nonzero(thin)[0]) <= {19, 20, 21})
        self.assertTrue(40 <= thin.sum() <= 50)

    def test_a_bent_piece_counts_as_one(self):
        mask = np.zeros((30, 30), bool)
        mask[2:28, 3] = mask[27, 3:28] = mask[2:28, 27] = True
        self.assertTrue(np.array_equal(judge.long_pieces(mask, int(mask.sum())), mask))
        self.assertFalse(judge.long_pieces(mask, int(mask.sum()) + 1).any())

    def test_lines_within_three_pixels_are_found_and_others_are_not(self):
        lines = [np.stack([np.arange(10.0, 90), np.full(80, 30.0)], axis=1)]
        truth = np.zeros((100, 100), np.float32)
        truth[29:32, 10:90] = 1
        for away, expected in ((2, 1.0), (8, 0.0)):
            p = np.zeros((100, 100))
            p[30 + away, 10:90] = 0.9
            counts = judge.line_counts(p, truth, np.ones((100, 100), bool), lines, [0.5])[0]
            self.assertAlmostEqual(float(judge.line_f1(counts)), expected, places=2)

    def test_peaks_at_doubtful_pores_count_neither_way(self):
        truth = labels.Labels(None, None, np.array([[20.0, 20, 2]]), np.array([[50.0, 50, 2]]), [])
        peaks = np.array([[20, 21, 0.9], [50, 51, 0.8], [80, 80, 0.7]])
        hit, found, true = judge.pore_counts(peaks, truth, (100, 100), [0.5])[0]
        self.assertEqual((hit, found, true), (1, 2, 1))

    def test_calibration_finds_the_temperature_that_was_put_in(self):
        rng = np.random.default_rng(2)
        logits = rng.normal(0, 3, 200_000)
        truth = rng.random(logits.size) < judge.sigmoid(logits / 2.0 + 0.5)
        found = calibrate.temperature(logits, truth, np.ones(logits.size, bool))
        self.assertTrue(abs(found[0] - 2.0) < 0.05 and abs(found[1] - 0.5) < 0.05, found)


class Pairs(unittest.TestCase):
    """Two captures of one skin on its own grid."""

    def laid(self, surface, settings):
        return paired.laid(photograph(np.random.default_rng(1), surface.planes(), settings), settings)

    def test_photographs_of_any_pose_show_the_same_skin_once_laid(self):
        surface = scene(3)
        still = self.laid(surface, Settings(noise=0.0))
        turned = self.laid(surface, Settings(degrees=3, scale=1.03, shift=(2.0, -3.0), noise=0.0))
        cut = slice(paired.EDGE, -paired.EDGE)
        away = np.abs(still - turned)[cut, cut].mean()
        beside = np.abs(still[cut, cut] - np.roll(turned, 2, axis=1)[cut, cut]).mean()
        self.assertLess(away, 0.35 * beside)

    def test_the_sharper_of_two_is_blurred_to_the_other(self):
        sharp = self.laid(scene(5), Settings(blur_px=0.3, noise=0.5))
        soft = self.laid(scene(5), Settings(blur_px=1.0, noise=0.5))
        one, two = paired.equalised(sharp, soft)
        cut = slice(paired.EDGE, -paired.EDGE)
        self.assertTrue(np.array_equal(two, soft))
        self.assertLess(np.abs(one - two)[cut, cut].mean(), 0.5 * np.abs(sharp - soft)[cut, cut].mean())
        self.assertIsNone(paired.equalised(sharp, blur(sharp.transpose(2, 0, 1), 4.0).transpose(1, 2, 0)))

    def test_pores_that_went_and_pores_that_faded_are_two_measures(self):
        rng = np.random.default_rng(4)
        places = np.array([(r, c) for r in range(30, 226, 14) for c in range(30, 226, 14)])
        strong = 0.001 * rng.random((256, 256))
        strong[places[:, 0], places[:, 1]] = 4.0
        sure = [np.full((256, 256), 0.8)] * 2
        some = strong.copy()
        some[places[::5, 0], places[::5, 1]] = 0
        found = paired.pores((strong, strong), (some, some), sure, 1)
        self.assertAlmostEqual(found["kept"][0], -len(places[::5]) / len(places))
        self.assertAlmostEqual(found["contrast"][0], 0.0)
        faint = paired.pores((strong, strong), (0.75 * strong, 0.75 * strong), sure, 1)
        self.assertEqual(faint["kept"][0], 0.0)
        self.assertAlmostEqual(faint["contrast"][0], -0.25)
        unsure = np.full((256, 256), 0.8)
        unsure[places[::5, 0], places[::5, 1]] = 0
        blind = [np.where(strong > 1, unsure, 0)] * 2
        self.assertEqual(paired.pores((strong, strong), (some, some), blind, 1)["kept"][0], 0.0)

    def test_spots_that_fade_are_seen_through_another_focus(self):
        before = scene(seed_with("spots"))
        after = Surface(treat.after(before.skin, "spots", 0.6)[0], before.light)
        marks = labels.of(before).maps[labels.SPOT][MARGIN:-MARGIN, MARGIN:-MARGIN]
        pictures = self.laid(before, Settings(blur_px=0.4)), self.laid(after, Settings(blur_px=0.8, gain=0.9))
        again = self.laid(before, Settings(blur_px=0.8, gain=0.9))
        self.assertLess(paired.marked("spots", pictures, [marks, marks], 0.5)[0], -0.2)
        self.assertLess(abs(paired.marked("spots", (pictures[0], again), [marks, marks], 0.5)[0]), 0.1)


class Shipped(unittest.TestCase):
    def test_the_manifests_hold_the_thresholds_that_were_fixed_on_rendered_patches(self):
        models = Path(__file__).resolve().parents[1]
        fixed = json.loads((models / "candidates" / "skin-net" / "thresholds.json").read_text(encoding="utf-8"))
        manifest = tomllib.loads((models / "candidates" / "skin-net" / "manifest.toml").read_text(encoding="utf-8"))
        held = {score["channel"]: score["threshold"] for score in manifest["score"]}
        self.assertEqual(held, {channel: fixed[channel] for channel in held})


if __name__ == "__main__":
    unittest.main()

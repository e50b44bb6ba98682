"""The table of models/README.md between its two markers, from measured figures."""

BEGIN, END = "<!-- measured: make models-table -->", "<!-- end of measured -->"


def rows(kept):
    """(measure, must, go for, found) of what was measured."""
    def of(part):
        return kept.get(part)

    out = []
    if face := of("face"):
        out += [("pores, one annotated photograph of one real face: object F1 at 5 px (precision / recall; by chance)", "0.67", "0.71",
                 f"{face['f1']:.3f} ({face['precision']:.2f} / {face['recall']:.2f}; {face['f1_by_chance']:.2f})"),
                ("its pore density per 64 px cell, correlation with the annotation", "0.75", "0.82", f"{face['density_r']:.3f}")]
    for part, quality in (("salon", "as gates let through"), ("held", "of any quality")):
        held = of(part)
        if not held:
            continue
        n = held["patches"]
        out += [(f"pores, {n} rendered patches, captures {quality}: object F1 (precision / recall)", "0.60", "0.70",
                 f"{held['pores_f1']:.3f} ({held['pores_precision']:.2f} / {held['pores_recall']:.2f}); difference of Gaussians {held['pores_f1_dog']:.3f}"),
                ("their pore count against the truth, r", "0.80", "0.92", f"{held['count_r']:.3f}; difference of Gaussians {held['count_r_dog']:.3f}"),
                ("spots, pixel F1", "0.60", "0.75", f"{held['spot_f1']:.3f}"),
                ("shine, pixel F1", "0.75", "0.85", f"{held['shine_f1']:.3f}"),
                ("wrinkles, F1 at 3 px", "0.50", "0.70", f"{held['wrinkle_f1']:.3f}; ridge graph {held['wrinkle_f1_ridge']:.3f}"),
                ("F1 of pores over the six tone classes, largest less smallest", "0.08", "0.05",
                 f"{held['tone_spread']:.3f} (" + ", ".join(f"{name} {value:.2f}" for name, value in held["by_tone"].items()) + ")")]
    if tones := of("tones"):
        out.append((f"F1 of pores over the six classes, {tones['skins']} skins, each in all of them", "0.08", "0.05",
                    f"{tones['spread']:.3f} (" + ", ".join(f"{name} {value:.2f}" for name, value in tones["by_tone"].items()) + ")"))
    if free := of("free"):
        out.append((f"false pores on a pore-free patch of 256² px ({free['patches']} patches)", "20", "5",
                    f"{free['false_pores']:.1f}; difference of Gaussians {free['false_pores_dog']:.0f}"))
    if sensitivity := of("sensitivity"):
        change = sensitivity["change"]["pore-area"]
        gain = max(abs(change["gain 0.9"]), abs(change["gain 1.1"]))
        out.append((f"pore area under gain ±10 % / blur 0.7 px / JPEG 90 ({sensitivity['patches']} patches)", "2 / 3 / 4 %", "1 / 1 / 2 %",
                    f"{gain:.1f} / {abs(change['blur 0.7']):.1f} / {abs(change['JPEG 90']):.1f} %"))
    if of("rig") and of("hand"):
        out.append((f"CV of pore area, simulated rig / handheld ({kept['rig']['degrees_of_freedom']} degrees of freedom each)", "2.5 / 5 %", "1.5 / 3 %",
                    f"{kept['rig']['cv_percent']['pore-area']:.1f} / {kept['hand']['cv_percent']['pore-area']:.1f} %"))
        if (response := of("response")) and "pore-mean" in kept["rig"]["cv_percent"]:
            out.append(("the same of the mean certainty of pores; what both levels say when 30 % of the pores are gone", "", "",
                        f"{kept['rig']['cv_percent']['pore-mean']:.1f} / {kept['hand']['cv_percent']['pore-mean']:.1f} %; "
                        f"area {response['change']['pore-area']:.0f} %, mean {response['change']['pore-mean']:.0f} %"))
        others = {"pore-density": "pores per cm²", "wrinkles": "lines", "spots": "spots", "shine": "shine"}
        out.append(("the same of " + ", ".join(others.values()), "", "", "; ".join(
            f"{name} {kept['rig']['cv_percent'][m]:.1f} / {kept['hand']['cv_percent'][m]:.1f} %" for m, name in others.items())))
    if of("int8"):
        out.append((f"8 bits against 32: loss of F1 / shift of pore area ({kept['int8']['patches']} patches)", "0.01 / 3 %", "0.005 / 1 %",
                    f"{kept['int8']['f1_loss']:+.4f} / {kept['int8']['level_shift_percent']['pore-area']:+.1f} %"))
    for part, camera in (("verdicts-rig", "simulated rig"), ("verdicts-hand", "simulated hand")):
        if verdicts := of(part):
            each = ", ".join(f"{kind} {r['right']} of {r['pairs']}" for kind, r in verdicts["by_kind"].items())
            out.append((f"right verdicts on rendered pairs of known change, {camera}, {verdicts['pairs']} pairs", "90 %", "95 %",
                        f"{100 * verdicts['right_share']:.0f} % ({each}); of the {verdicts['to_be_seen']} whose clean scene shows what is treated: "
                        f"{100 * verdicts['right_share_of_seen']:.0f} %"))
    if fusion := of("fusion"):
        curve = ", ".join(f"{w}: {v['f1']:.3f}" for w, v in fusion["by_weight"].items())
        out.append((f"network and difference of Gaussians fused, pores F1 by the latter's weight ({fusion['patches']} patches)", "better than alone", "",
                    f"{curve}; chosen on others: {fusion['chosen_weight']}"))
    if of("time"):
        out.append(("1024 × 1280 on 2 x86 threads, least of five", "300 ms", "150 ms",
                    f"{kept['time']['int8']['wall_ms']:.0f} ms of the clock, {kept['time']['int8']['cpu_ms']:.0f} ms of the processor (32 bits: {kept['time']['fp32']['cpu_ms']:.0f}; ridge graph: {kept['time']['ridge']['cpu_ms']:.0f})"
                    + (f"; the machine was busy, load {kept['time']['load']:.0f}" if kept["time"]["load"] > 1.5 else "")))
    return out


def write(readme, kept, digest):
    fresh = {part: figures for part, figures in kept.items() if figures["model"] == digest}
    lines = [BEGIN, f"Model {digest}; parts measured on another file are left out.", "", "| measure | must reach | go for | found |", "|---|---|---|---|"]
    lines += [f"| {what} | {must} | {goal} | {found} |" for what, must, goal, found in rows(fresh)] + [END]
    text = readme.read_text(encoding="utf-8")
    start, end = text.index(BEGIN), text.index(END) + len(END)
    readme.write_text(text[:start] + "\n".join(lines) + text[end:], encoding="utf-8")

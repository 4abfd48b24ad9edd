"""How quickly the page draws a long recording, and how smoothly it zooms: in Chromium, against the real service.

PYTHONPATH=tests python -m benchmarks.page                        two hours of the examples, recognised here
PYTHONPATH=tests python -m benchmarks.page outputs/outputs_…      a stored result
PYTHONPATH=tests python -m benchmarks.page --runs 5 --trace out/  with a CPU profile of each run

Each run is cold: a service of its own that has cached nothing of the timeline, a browser that has nothing of the
page. *First drawing* is from the address to the timeline's picture; *zooming* is the time from frame to frame
while the wheel turns from all of it to two seconds and the view then moves; *fetched* is what both needed.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser

from emovox.audio.wav import WavWriter
from emovox.inference.recognizer import Recognizer
from emovox.models.converted.clips import example_clips
from emovox.outputs import Outputs
from support import browser as browsers
from support.service import serving

HOURS = 2.0

WATCH = """() => {
    window.gaps = []
    let last = performance.now()
    const look = (now) => { window.gaps.push(now - last); last = now; requestAnimationFrame(look) }
    requestAnimationFrame(look)
}"""


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, nargs="?", help="an outputs directory; by default one is made")
    parser.add_argument("--hours", type=float, default=HOURS, help="of the recording that is made")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--trace", type=Path, help="where the runs' CPU profiles go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        output = options.output or joined(Path(scratch), options.hours)
        runs = []
        for number in range(options.runs):
            runs.append(measure(output, Path(scratch) / str(number), options.trace))
            print(json.dumps(runs[-1]), flush=True)
    middle = {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
    print(f"median of {len(runs)}: {json.dumps(middle)}")


def joined(scratch: Path, hours: float) -> Path:
    """The result of hours of the examples, louder and softer, with pauses between them."""
    chance = np.random.default_rng(0)
    sound, clips = scratch / "joined.wav", example_clips()
    writer, seconds = WavWriter(sound), 0.0
    while seconds < hours * 3600:
        mood = chance.integers(len(clips))
        for _ in range(chance.integers(5, 40)):
            clip = clips[mood if chance.random() < 0.7 else chance.integers(len(clips))]
            pause = np.zeros(int(chance.uniform(0.2, 2) * 16_000), np.float32)
            writer.write(np.concatenate([clip * np.float32(chance.uniform(0.2, 1)), pause]))
            seconds += (len(clip) + len(pause)) / 16_000
    writer.close()
    began = time.perf_counter()
    with Outputs(scratch / "made").draft() as draft:
        recognition = Recognizer("lite").recognize(sound, sink=draft.write, granularity="frame", segments=True)
        print(f"{seconds / 3600:.1f} h recognised in {time.perf_counter() - began:.0f} s", flush=True)
        return draft.publish(recognition)


def measure(output: Path, root: Path, trace: Path | None) -> dict[str, float]:
    """One cold run."""
    shutil.copytree(output, root / "outputs" / output.name)
    with serving(root / "outputs") as service, browsers.browsing(output / "processed_audio.wav") as browser:
        return drawn_and_zoomed(browser, str(service.base_url), output.name, trace)


def drawn_and_zoomed(browser: Browser, base: str, id_: str, trace: Path | None) -> dict[str, float]:
    """Seconds to the first drawing, and milliseconds between frames while zooming."""
    with browsers.tab(browser, base, viewport={"width": 1440, "height": 900}) as tab:
        page, fetched = tab.page, list[int]()
        page.on("requestfinished", lambda request: fetched.append(request.sizes()["responseBodySize"]))
        began = time.perf_counter()
        page.goto(f"{base}/#/output/{id_}")
        page.wait_for_selector(".stage", timeout=60_000)
        page.wait_for_selector(".loading", state="detached", timeout=60_000)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        first = time.perf_counter() - began
        page.wait_for_timeout(1000)
        profile = page.context.new_cdp_session(page)
        if trace:
            profile.send("Profiler.enable")
            profile.send("Profiler.start")
        page.locator(".stage").hover()
        page.evaluate(WATCH)
        page.keyboard.down("Control")
        while tab.view()[1] - tab.view()[0] > 2:
            page.mouse.wheel(0, -130)
            page.wait_for_timeout(20)
        page.keyboard.up("Control")
        for _ in range(20):
            page.mouse.wheel(150, 0)
            page.wait_for_timeout(20)
        gaps = sorted(page.evaluate("() => window.gaps.slice(2)"))
        if trace:
            trace.mkdir(parents=True, exist_ok=True)
            made = profile.send("Profiler.stop")["profile"]
            (trace / f"{time.time():.0f}.cpuprofile").write_text(json.dumps(made))
        return {
            "first drawing s": round(first, 2),
            "zooming p50 ms": round(gaps[len(gaps) // 2], 1),
            "zooming p95 ms": round(gaps[int(len(gaps) * 0.95)], 1),
            "zooming worst ms": round(gaps[-1], 1),
            "fetched kB": round(sum(fetched) / 1000),
        }


if __name__ == "__main__":
    main()

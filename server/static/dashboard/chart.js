// The course of one metric: a line for the window and a fainter one for the window before, in the page's colours.
"use strict";

const drawCourse = (() => {
  const HOUR_S = 3600;
  const DAY_STEPS_S = [1, 2, 3, 4, 5, 7, 10, 15, 30, 60, 90, 180, 365].map((days) => days * 24 * HOUR_S);
  let drawn;

  function colours() {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(
      ["accent", "soft", "line", "wash"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    );
  }

  // Days are the account's own, so they are drawn as if they were UTC.
  function seconds({ date, hour }) {
    return Date.parse(`${date}T00:00:00Z`) / 1000 + (hour ?? 0) * HOUR_S;
  }

  function size(place) {
    return { width: place.clientWidth, height: place.clientWidth < 600 ? 200 : 260 };
  }

  // `told` is called with the place of the point under the pointer, or with null.
  function options(place, metric, points, print, told) {
    const { accent, soft, line, wash } = colours();
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    return {
      ...size(place),
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, size: 40, grid: { show: false }, ...(points[0].hour === null && { incrs: DAY_STEPS_S }) },
        { ...axis, size: 70, values: (_plot, marks) => marks.map((mark) => print(mark)) },
      ],
      series: [
        {},
        { label: "before", stroke: soft, width: 1.5, dash: [5, 5], points: { show: false } },
        { label: metric.label, stroke: accent, width: 2, fill: wash, points: { size: 5, fill: accent } },
      ],
      hooks: { setCursor: [(plot) => told(plot.cursor.idx ?? null)] },
    };
  }

  function draw(place, metric, points, print, told) {
    drawn?.destroy();
    const data = [points.map(seconds), points.map(metric.before), points.map(metric.now)];
    drawn = new uPlot(options(place, metric, points, print, told), data, place);
  }

  addEventListener("resize", () => drawn?.setSize(size(document.getElementById("chart"))));
  return draw;
})();

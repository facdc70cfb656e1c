// The dashboard: what is shown stands in the address, one request asks for all of it, and every text that a visitor
// may have written is set as text.
"use strict";

(() => {
  const LANGUAGE = document.documentElement.lang;
  const DOCUMENTS = JSON.parse(document.getElementById("documents").textContent);
  const { endpoint, graphiql } = document.body.dataset;
  const DAY_MS = 86_400_000;

  const METRICS = [
    { name: "entrances", label: "Visits", unit: "number", ...summed("entrances") },
    { name: "pageViews", label: "Page views", unit: "number", ...summed("pageViews") },
    {
      name: "pagesPerSession",
      label: "Pages per visit",
      unit: "ratio",
      now: (point) => ratio(point.pageViews, point.entrances),
      before: (point) => ratio(point.pageViewsPrev, point.entrancesPrev),
    },
    {
      name: "bounceRate",
      label: "Bounce rate",
      unit: "percent",
      lessIsBetter: true,
      now: (point) => bounceRate(point.entrances, point.engagedEntrances),
      before: (point) => bounceRate(point.entrancesPrev, point.engagedEntrancesPrev),
    },
    { name: "conversions", label: "Conversions", unit: "number", ...summed("conversions") },
    { name: "revenue", label: "Revenue", unit: "money", ...summed("revenue") },
  ];

  // A page filters by visits that landed on it, the one meaning that holds for every report.
  const LISTS = [
    { title: "Sources", one: "Source", field: "UTM_SOURCE", value: "utmSource", counts: "entrances" },
    { title: "Pages", one: "Landed on", field: "LANDING_PAGE", value: "path", counts: "pageViews" },
    { title: "Countries", one: "Country", field: "COUNTRY", value: "country", label: "countryName", counts: "entrances" },
    { title: "Devices", one: "Device", field: "DEVICE_TYPE", value: "deviceType", counts: "entrances" },
    { title: "Channels", one: "Channel", field: "CHANNEL", value: "channel", counts: "entrances" },
  ];
  const COUNT_LABELS = { entrances: "visits", pageViews: "page views" };

  // Up to so many days of a window are points of this length.
  const INTERVALS = [
    [2, "HOUR"],
    [92, "DAY"],
    [366, "WEEK"],
    [Infinity, "MONTH"],
  ];
  const PERIOD_DAYS = {
    today: 1, yesterday: 1, "7d": 7, "30d": 30, "90d": 90, "12m": 365, this_week: 7, last_week: 7, this_month: 31,
    last_month: 31, this_quarter: 92, last_quarter: 92, this_year: 366, last_year: 366,
  };
  const DEFAULT_PERIOD = "30d";

  let accounts = [];
  let shown = null; // the last answer's stats
  let key = "";
  let asking = new AbortController();

  const part = (id) => document.getElementById(id);

  // --- the address

  function readView() {
    const given = new URLSearchParams(location.hash.slice(1));
    const filters = given.getAll("filter").map((text) => {
      const [field, ...value] = text.split(":");
      return { field: field.toUpperCase(), value: value.join(":") };
    });
    const [from, to] = [given.get("from") ?? "", given.get("to") ?? ""];
    return {
      account: given.get("account") ?? "",
      period: from && to ? "" : given.get("period") || DEFAULT_PERIOD,
      from,
      to,
      metric: METRICS.find(({ name }) => name === given.get("metric")) ?? METRICS[0],
      filters,
    };
  }

  function addressOf({ account, period, from, to, metric, filters }) {
    const told = new URLSearchParams({ account });
    if (period) told.set("period", period);
    else for (const [name, day] of Object.entries({ from, to })) told.set(name, day);
    if (metric !== METRICS[0]) told.set("metric", metric.name);
    for (const { field, value } of filters) told.append("filter", `${field.toLowerCase()}:${value}`);
    return `#${told}`;
  }

  function go(change) {
    location.hash = addressOf({ ...readView(), ...change });
  }

  function goInstead(change) {
    history.replaceState(null, "", addressOf({ ...readView(), ...change }));
  }

  function isFiltered(filters, field, value) {
    return filters.some((filter) => filter.field === field && filter.value === value);
  }

  function toggleFilter(field, value) {
    const { filters } = readView();
    const others = filters.filter((filter) => filter.field !== field || filter.value !== value);
    go({ filters: others.length < filters.length ? others : [...filters, { field, value }] });
  }

  // The last month that has visits: a log of long ago would show nothing for the last 30 days.
  function daysOf({ firstDay, lastDay }) {
    if (!lastDay || Date.now() - Date.parse(lastDay) < 30 * DAY_MS) return { period: DEFAULT_PERIOD, from: "", to: "" };
    const monthBefore = new Date(Date.parse(lastDay) - 29 * DAY_MS).toISOString().slice(0, 10);
    return { period: "", from: firstDay > monthBefore ? firstDay : monthBefore, to: lastDay };
  }

  // --- the question

  function variablesOf({ account, period, from, to, filters }) {
    const days = period ? (PERIOD_DAYS[period] ?? 30) : 1 + (Date.parse(to) - Date.parse(from)) / DAY_MS;
    return {
      account,
      ...(period ? { period } : { from, to }),
      interval: INTERVALS.find(([most]) => !(days > most))[1],
      filters: filters.map(({ field, value }) => ({ field, values: [value] })),
    };
  }

  async function ask(query, variables) {
    asking.abort();
    asking = new AbortController();
    const response = await reach({
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json, application/json;q=0.9",
        "x-fanin-cost": "1",
        ...(key && { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify({ query, variables }),
      signal: asking.signal,
    });
    if (response.status === 401) askForKey();
    const answer = await response.json();
    if (answer.error) throw new Error(answer.error.message);
    return { ...answer, wallMs: Number(/\bwall;dur=([\d.]+)/.exec(response.headers.get("server-timing"))?.[1]) };
  }

  async function reach(request) {
    try {
      return await fetch(endpoint, request);
    } catch {
      throw new Error("The server cannot be reached.");
    }
  }

  function askForKey() {
    part("credentials").hidden = false;
    part("key").focus();
  }

  // --- numbers

  function summed(name) {
    return { now: (point) => number(point[name]), before: (point) => number(point[`${name}Prev`]) };
  }

  function number(value) {
    return value === null || value === undefined ? null : Number(value);
  }

  function ratio(sum, count) {
    if (count === null || count === undefined) return null;
    return count ? sum / count : 0;
  }

  function bounceRate(entrances, engaged) {
    if (entrances === null || entrances === undefined) return null;
    return entrances ? (100 * (entrances - engaged)) / entrances : 0;
  }

  function printer(unit) {
    const { currency } = accounts.find(({ id }) => id === readView().account) ?? {};
    const format = (options) => new Intl.NumberFormat(LANGUAGE, options);
    const printers = {
      number: () => format({ maximumFractionDigits: 0 }),
      ratio: () => format({ maximumFractionDigits: 2 }),
      share: () => format({ maximumFractionDigits: 1 }),
      percent: () => format({ style: "unit", unit: "percent", maximumFractionDigits: 1 }),
      money: () => format(currency ? { style: "currency", currency } : { minimumFractionDigits: 2 }),
    };
    const { format: print } = printers[unit]();
    return (value) => (value === null ? "–" : print(value));
  }

  function counted(count, word) {
    return `${printer("number")(count)} ${word}${count === 1 ? "" : "s"}`;
  }

  function day(text) {
    return new Date(`${text}T00:00:00Z`).toLocaleDateString(LANGUAGE, { dateStyle: "medium", timeZone: "UTC" });
  }

  function days(window) {
    return window.days === 1 ? day(window.startDate) : `${day(window.startDate)} – ${day(window.endDate)}`;
  }

  function moment({ date, hour }) {
    return hour === null ? day(date) : `${day(date)}, ${String(hour).padStart(2, "0")}:00`;
  }

  // --- elements

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
    made.append(...children.filter(Boolean));
    return made;
  }

  function unseen(text) {
    return element("span", { class: "unseen" }, text);
  }

  // An arrow and a percentage for the eye, a sentence for the ear; null without a number to compare with.
  function change(now, before, print, lessIsBetter = false) {
    if (now === null || before === null) return null;
    if (now === before) return element("span", { class: "change" }, "unchanged");
    const up = now > before;
    if (before === 0) return element("span", { class: "change" }, "new", unseen(": none before"));
    const mood = up === lessIsBetter ? "worse" : "better";
    const size = printer("percent")(Math.abs((100 * (now - before)) / before));
    const heard = unseen(` ${up ? "up" : "down"} from ${print(before)} before, ${mood}`);
    return element("span", { class: `change ${mood}` }, seen(up ? "▲ " : "▼ "), size, heard);
  }

  function seen(text) {
    return element("span", { "aria-hidden": "true" }, text);
  }

  // --- what is shown

  function showPickers(view) {
    const known = accounts.some(({ id }) => id === view.account);
    const ids = accounts.map(({ id }) => id);
    part("account").replaceChildren(
      ...(known || !view.account ? ids : [view.account, ...ids]).map((id) => element("option", { value: id }, id)),
    );
    part("account").value = view.account;
    part("account").disabled = accounts.length === 0;
    part("period").value = view.period;
    part("days").hidden = view.period !== "";
    part("from").value = view.from;
    part("to").value = view.to;
  }

  function showChips({ filters }) {
    part("chips").replaceChildren(
      ...filters.map(({ field, value }) => {
        const label = LISTS.find((list) => list.field === field)?.one ?? field;
        const remove = element("button", { type: "button", "aria-label": `Remove the filter ${label} ${value}` }, "×");
        remove.addEventListener("click", () => {
          toggleFilter(field, value);
          part("content").focus();
        });
        return element("li", {}, element("span", {}, `${label}: `, element("b", {}, value)), remove);
      }),
    );
  }

  function showOverview(stats, view) {
    const { traffic, comparison } = stats.overview ?? {};
    part("overview").replaceChildren(...METRICS.map((metric) => tile(metric, traffic, comparison?.traffic, view)));
  }

  function tile(metric, traffic, before, view) {
    const print = printer(metric.unit);
    const now = number(traffic?.[metric.name]);
    const then = before?.entrances ? number(before[metric.name]) : null; // nobody's rates are nothing to compare with
    const button = element(
      "button",
      { type: "button", class: "tile", "data-key": metric.name, "aria-pressed": metric === view.metric },
      element("span", { class: "label" }, metric.label),
      element("b", {}, print(now)),
      change(now, then, print, metric.lessIsBetter),
    );
    button.addEventListener("click", () => go({ metric }));
    return button;
  }

  function showCourse(stats, { metric }) {
    const points = stats.timeSeries?.points ?? [];
    const print = printer(metric.unit);
    part("course").hidden = points.length === 0;
    if (points.length === 0) return;
    part("course-title").textContent = metric.label;
    showPoints(points, metric, print);
    const tell = (place) => showLegend(stats, metric, print, place === null ? null : points[place]);
    tell(null);
    drawCourse(part("chart"), metric, points, printer(metric.unit), tell);
  }

  function showLegend(stats, metric, print, point) {
    const then = point?.comparisonDate;
    const current = point ? `${moment(point)}: ${print(metric.now(point))}` : days(stats.window);
    const before = point
      ? then && `${moment({ date: then, hour: point.hour })}: ${print(metric.before(point))}`
      : stats.comparisonWindow && days(stats.comparisonWindow);
    part("legend").replaceChildren(
      element("span", { class: "current" }, current),
      before ? element("span", { class: "before" }, before) : "",
    );
  }

  // The chart for those who do not see it.
  function showPoints(points, metric, print) {
    const head = ["When", metric.label, "Before"].map((text) => element("th", { scope: "col" }, text));
    part("points").replaceChildren(
      element("caption", {}, `${metric.label} over time`),
      element("thead", {}, element("tr", {}, ...head)),
      element(
        "tbody",
        {},
        ...points.map((point) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, moment(point)),
            element("td", {}, print(metric.now(point))),
            element("td", {}, print(metric.before(point))),
          ),
        ),
      ),
    );
  }

  function showPanels(stats, view) {
    part("panels").replaceChildren(...LISTS.map((list) => listPanel(list, stats, view)), funnelPanel(stats));
  }

  function panel(title, note, rows, missing) {
    const id = `panel-${title.toLowerCase()}`;
    const body =
      rows?.length > 0
        ? element("ul", {}, ...rows)
        : element("p", { class: "nothing" }, rows ? "Nothing in these days." : missing);
    const head = element("div", { class: "head" }, element("h2", { id }, title), element("p", {}, note));
    return element("section", { "aria-labelledby": id }, head, body);
  }

  function listPanel(list, stats, view) {
    const report = stats[list.title.toLowerCase()];
    const rows = report?.rows ?? report?.byDevice;
    const most = Math.max(1, ...(rows ?? []).map((row) => row[list.counts]));
    const compared = rows?.some((row) => row[`${list.counts}Prev`] !== null);
    const items = rows?.map((row) => element("li", {}, rowButton(list, row, most, compared, view)));
    return panel(list.title, COUNT_LABELS[list.counts], items, "This report could not be read.");
  }

  function rowButton(list, row, most, compared, view) {
    const [value, count] = [row[list.value], row[list.counts]];
    const print = printer("number");
    const text = row[list.label ?? list.value] || "(empty)";
    const button = element(
      "button",
      {
        type: "button",
        class: "row",
        title: text,
        "data-key": `${list.field}:${value}`,
        "aria-pressed": isFiltered(view.filters, list.field, value),
      },
      bar(count / most),
      element("span", { class: "name" }, text),
      element("b", {}, print(count), unseen(` ${COUNT_LABELS[list.counts]}`)),
      compared && (change(count, number(row[`${list.counts}Prev`]), print) ?? element("span", { class: "change" })),
    );
    button.disabled = row.entrances === 0; // nothing would be left
    button.addEventListener("click", () => toggleFilter(list.field, value));
    return button;
  }

  function bar(share) {
    const made = element("span", { class: "bar", "aria-hidden": "true" });
    made.style.width = `${(100 * share).toFixed(2)}%`;
    return made;
  }

  function funnelPanel(stats) {
    const steps = funnelSteps(stats);
    const share = printer("share");
    const most = Math.max(1, ...(steps ?? []).map(([, count]) => count));
    const items = steps?.map(([name, count]) =>
      element(
        "li",
        { class: "row" },
        bar(count / most),
        element("span", { class: "name", title: name }, name),
        element("b", {}, printer("number")(count)),
        element("span", { class: "change" }, share(ratio(100 * count, steps[0][1])), unseen(" per 100 visits")),
      ),
    );
    return panel("Funnel", "and per 100 visits", items, "This report could not be read.");
  }

  // Visits, those that stayed, then the goals: the small ones first, each from many to few.
  function funnelSteps({ overview, funnel }) {
    if (!overview || !funnel) return undefined;
    const goals = (counts) => counts.map(({ type, count }) => [type, count]).sort(([, one], [, other]) => other - one);
    return [
      ["Visits", overview.traffic.entrances],
      ["Engaged visits", overview.traffic.engagedEntrances],
      ...goals(funnel.totals.microconversions),
      ...goals(funnel.totals.conversions),
    ];
  }

  function showCost({ scans, cacheHits } = {}, wallMs, variables) {
    const print = printer("number");
    const kept = cacheHits ? `, ${counted(cacheHits, "answer")} kept from before` : "";
    part("cost").textContent =
      scans === undefined ? "" : `One request: ${counted(scans, "scan")}, ${print(wallMs)} ms${kept}`;
    if (!graphiql) return;
    const query = new URLSearchParams({ query: DOCUMENTS.dashboard, variables: JSON.stringify(variables, null, 2) });
    part("graphiql").href = `${graphiql}?${query}`;
    part("graphiql").hidden = false;
  }

  function showTrouble(messages) {
    part("trouble").textContent = [...new Set(messages)].join(" ");
    part("trouble").hidden = messages.length === 0;
  }

  function showStats(view) {
    const focused = document.activeElement?.dataset?.key;
    for (const id of ["overview", "panels", "course"]) part(id).hidden = !shown;
    if (!shown) return;
    showOverview(shown, view);
    showCourse(shown, view);
    showPanels(shown, view);
    // The focused row was replaced by its like.
    if (focused) [...document.querySelectorAll("[data-key]")].find(({ dataset }) => dataset.key === focused)?.focus();
  }

  // --- the way of a view

  async function chooseAccount() {
    const answer = await ask(DOCUMENTS.accounts, {});
    accounts = answer.data?.accounts ?? [];
    if (answer.errors) throw new Error(answer.errors.map(({ message }) => message).join(" "));
    if (accounts.length === 0) throw new Error("There is no account yet: fanin import makes one.");
    const latest = accounts.reduce((one, other) => ((other.lastDay ?? "") > (one.lastDay ?? "") ? other : one));
    goInstead({ account: latest.id, ...daysOf(latest) });
  }

  async function showView() {
    const main = part("content");
    main.setAttribute("aria-busy", "true");
    part("credentials").hidden = true;
    let asked;
    try {
      if (!readView().account) {
        const choosing = chooseAccount();
        asked = asking;
        await choosing;
      }
      const view = readView();
      const variables = variablesOf(view);
      showPickers(view);
      showChips(view);
      const answering = ask(DOCUMENTS.dashboard, variables);
      asked = asking;
      const { data, errors = [], extensions, wallMs } = await answering;
      accounts = data?.accounts ?? accounts;
      shown = data?.stats ?? null;
      showPickers(view);
      showStats(view);
      showCost(extensions?.fanin, wallMs, variables);
      showTrouble(errors.map(({ message }) => message));
    } catch (error) {
      if (asked?.signal.aborted) return; // a later view has taken its place
      shown = null;
      showStats(readView());
      showTrouble([error.message]);
    }
    main.setAttribute("aria-busy", "false");
  }

  function sameQuestion(one, other) {
    return JSON.stringify(variablesOf(one)) === JSON.stringify(variablesOf(other));
  }

  // --- what happens

  let last = readView();
  addEventListener("hashchange", () => {
    const view = readView();
    if (shown && view.account && sameQuestion(last, view)) showStats(view);
    else void showView();
    last = view;
  });

  part("account").addEventListener("change", ({ target }) => {
    const account = accounts.find(({ id }) => id === target.value);
    go({ account: account.id, ...daysOf(account), filters: [] });
  });

  part("period").addEventListener("change", ({ target }) => {
    if (target.value) go({ period: target.value, from: "", to: "" });
    else go({ period: "", from: shown?.window.startDate ?? "", to: shown?.window.endDate ?? "" });
  });

  part("days").addEventListener("change", () => {
    const [from, to] = [part("from").value, part("to").value];
    if (from && to) go({ period: "", from, to });
  });

  part("pickers").addEventListener("submit", (event) => event.preventDefault());

  part("credentials").addEventListener("submit", (event) => {
    event.preventDefault();
    key = part("key").value.trim();
    part("key").value = "";
    void showView();
  });

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => showStats(readView()));

  void showView().then(() => (last = readView()));
})();

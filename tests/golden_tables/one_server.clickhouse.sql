CREATE TABLE IF NOT EXISTS fanin_meta (
    layout UInt32,
    cluster String
)
ENGINE = ReplacingMergeTree()
ORDER BY (layout)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS accounts (
    id String,
    version UInt32,
    account UInt64,
    time_zone String,
    currency String,
    first_day Nullable(Int32),
    last_day Nullable(Int32),
    stamp String
)
ENGINE = MergeTree()
ORDER BY (id, version)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS imports (
    account UInt64,
    version UInt32,
    digest String,
    source_name String,
    added UInt64
)
ENGINE = MergeTree()
ORDER BY (account, version, digest)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS claims (
    id String,
    claim String,
    serial UInt32,
    until DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(serial)
ORDER BY (id, claim)
TTL toDateTime(until) + INTERVAL 1 DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS lexicon (
    account UInt64,
    dimension LowCardinality(String),
    code UInt32,
    value String,
    folded String
)
ENGINE = ReplacingMergeTree()
ORDER BY (account, dimension, code)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS secrets (
    account UInt64,
    version UInt32,
    secret String
)
ENGINE = MergeTree()
ORDER BY (account, version)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS settings (
    account UInt64,
    version UInt32,
    settings String
)
ENGINE = MergeTree()
ORDER BY (account, version)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS lines (
    account UInt64,
    version UInt32,
    line UInt64,
    times UInt32
)
ENGINE = MergeTree()
ORDER BY (account, line)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS visits (
    account UInt64,
    version UInt32,
    sign Int8,
    session UInt32,
    visitor UInt64,
    start Int64,
    last Int64
)
ENGINE = MergeTree()
ORDER BY (account, visitor, start)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS hits (
    account UInt64,
    version UInt32,
    hit Int64,
    visitor UInt64,
    moment Int64,
    is_own_visit Bool,
    is_redirect Bool,
    is_same_site Bool,
    has_arrival Bool,
    is_tagged Bool,
    is_page_view Bool,
    utm_source UInt32,
    utm_medium UInt32,
    utm_campaign UInt32,
    utm_term UInt32,
    utm_content UInt32,
    referrer UInt32,
    path UInt32,
    content_grouping UInt32,
    country UInt32,
    device_type UInt32,
    browser UInt32,
    os UInt32
)
ENGINE = MergeTree()
ORDER BY (account, visitor, moment)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS hit_goals (
    account UInt64,
    version UInt32,
    hit Int64,
    goal UInt32,
    is_conversion Bool,
    amount_cents Int64
)
ENGINE = MergeTree()
ORDER BY (account, hit)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS sessions (
    account UInt64,
    version UInt32,
    sign Int8,
    session UInt32,
    start Int64,
    day Int32,
    hour UInt8,
    utm_source UInt32,
    utm_medium UInt32,
    utm_campaign UInt32,
    utm_term UInt32,
    utm_content UInt32,
    referrer UInt32,
    channel UInt32,
    country UInt32,
    device_type UInt32,
    browser UInt32,
    os UInt32,
    landing_page UInt32,
    landing_content_grouping UInt32,
    page_views UInt32,
    conversions UInt32,
    microconversions UInt32,
    revenue_cents Int64
)
ENGINE = MergeTree()
ORDER BY (account, day, start, session)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS page_views (
    account UInt64,
    version UInt32,
    sign Int8,
    session UInt32,
    start Int64,
    day Int32,
    hour UInt8,
    utm_source UInt32,
    utm_medium UInt32,
    utm_campaign UInt32,
    utm_term UInt32,
    utm_content UInt32,
    referrer UInt32,
    channel UInt32,
    country UInt32,
    device_type UInt32,
    browser UInt32,
    os UInt32,
    landing_page UInt32,
    landing_content_grouping UInt32,
    moment Int64,
    path UInt32,
    content_grouping UInt32,
    is_entrance Bool,
    is_engaged Bool
)
ENGINE = MergeTree()
ORDER BY (account, day, start, session)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS goals (
    account UInt64,
    version UInt32,
    sign Int8,
    session UInt32,
    start Int64,
    day Int32,
    hour UInt8,
    utm_source UInt32,
    utm_medium UInt32,
    utm_campaign UInt32,
    utm_term UInt32,
    utm_content UInt32,
    referrer UInt32,
    channel UInt32,
    country UInt32,
    device_type UInt32,
    browser UInt32,
    os UInt32,
    landing_page UInt32,
    landing_content_grouping UInt32,
    moment Int64,
    goal UInt32,
    is_conversion Bool,
    amount_cents Int64
)
ENGINE = MergeTree()
ORDER BY (account, day, start, session)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS sessions_by_day (
    account UInt64,
    version UInt32,
    rollup UInt8,
    day Int32,
    code_1 UInt32,
    code_2 UInt32,
    code_3 UInt32,
    code_4 UInt32,
    code_5 UInt32,
    code_6 UInt32,
    code_7 UInt32,
    entrances Int64,
    engaged_entrances Int64,
    page_views Int64,
    microconversions Int64,
    conversions Int64,
    revenue Int64
)
ENGINE = SummingMergeTree((entrances, engaged_entrances, page_views, microconversions, conversions, revenue))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS sessions_by_month (
    account UInt64,
    version UInt32,
    rollup UInt8,
    day Int32,
    code_1 UInt32,
    code_2 UInt32,
    code_3 UInt32,
    code_4 UInt32,
    code_5 UInt32,
    code_6 UInt32,
    code_7 UInt32,
    entrances Int64,
    engaged_entrances Int64,
    page_views Int64,
    microconversions Int64,
    conversions Int64,
    revenue Int64
)
ENGINE = SummingMergeTree((entrances, engaged_entrances, page_views, microconversions, conversions, revenue))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS page_views_by_day (
    account UInt64,
    version UInt32,
    rollup UInt8,
    day Int32,
    code_1 UInt32,
    code_2 UInt32,
    code_3 UInt32,
    code_4 UInt32,
    code_5 UInt32,
    code_6 UInt32,
    code_7 UInt32,
    entrances Int64,
    engaged_entrances Int64,
    page_views Int64
)
ENGINE = SummingMergeTree((entrances, engaged_entrances, page_views))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS page_views_by_month (
    account UInt64,
    version UInt32,
    rollup UInt8,
    day Int32,
    code_1 UInt32,
    code_2 UInt32,
    code_3 UInt32,
    code_4 UInt32,
    code_5 UInt32,
    code_6 UInt32,
    code_7 UInt32,
    entrances Int64,
    engaged_entrances Int64,
    page_views Int64
)
ENGINE = SummingMergeTree((entrances, engaged_entrances, page_views))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS goals_by_day (
    account UInt64,
    version UInt32,
    rollup UInt8,
    day Int32,
    code_1 UInt32,
    code_2 UInt32,
    code_3 UInt32,
    code_4 UInt32,
    code_5 UInt32,
    code_6 UInt32,
    code_7 UInt32,
    microconversions Int64,
    conversions Int64,
    revenue Int64,
    count Int64
)
ENGINE = SummingMergeTree((microconversions, conversions, revenue, count))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS goals_by_month (
    account UInt64,
    version UInt32,
    rollup UInt8,
    day Int32,
    code_1 UInt32,
    code_2 UInt32,
    code_3 UInt32,
    code_4 UInt32,
    code_5 UInt32,
    code_6 UInt32,
    code_7 UInt32,
    microconversions Int64,
    conversions Int64,
    revenue Int64,
    count Int64
)
ENGINE = SummingMergeTree((microconversions, conversions, revenue, count))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS sessions_by_day_view TO sessions_by_day AS
SELECT account, version, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances_sum AS entrances, engaged_entrances_sum AS engaged_entrances, page_views_sum AS page_views, microconversions_sum AS microconversions, conversions_sum AS conversions, revenue_sum AS revenue
FROM (
    SELECT account, version, toUInt8(rolled.1) AS rollup, day, toUInt32(rolled.2) AS code_1, toUInt32(rolled.3) AS code_2, toUInt32(rolled.4) AS code_3, toUInt32(rolled.5) AS code_4, toUInt32(rolled.6) AS code_5, toUInt32(rolled.7) AS code_6, toUInt32(rolled.8) AS code_7,
    sum(sign) AS entrances_sum, sumIf(sign, page_views >= 2) AS engaged_entrances_sum, sum(sign * page_views) AS page_views_sum, sum(sign * microconversions) AS microconversions_sum, sum(sign * conversions) AS conversions_sum, sum(sign * revenue_cents) AS revenue_sum
    FROM sessions
    ARRAY JOIN [
        (toUInt8(1), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(2), toUInt32(hour), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(3), toUInt32(utm_source), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(4), toUInt32(utm_medium), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(5), toUInt32(utm_campaign), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(6), toUInt32(utm_term), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(7), toUInt32(utm_content), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(8), toUInt32(referrer), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(9), toUInt32(channel), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(10), toUInt32(country), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(11), toUInt32(device_type), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(12), toUInt32(browser), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(13), toUInt32(os), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(14), toUInt32(landing_page), toUInt32(landing_content_grouping), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(15), toUInt32(utm_source), toUInt32(utm_medium), toUInt32(utm_campaign), toUInt32(utm_term), toUInt32(0), toUInt32(0), toUInt32(0))
    ] AS rolled
    GROUP BY account, version, rolled, day
);

CREATE MATERIALIZED VIEW IF NOT EXISTS sessions_by_month_view TO sessions_by_month AS
SELECT account, version, rollup, month AS day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances_sum AS entrances, engaged_entrances_sum AS engaged_entrances, page_views_sum AS page_views, microconversions_sum AS microconversions, conversions_sum AS conversions, revenue_sum AS revenue
FROM (
    SELECT account, version, rollup, toInt32(toStartOfMonth(toDate32(day))) AS month, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(entrances) AS entrances_sum, sum(engaged_entrances) AS engaged_entrances_sum, sum(page_views) AS page_views_sum, sum(microconversions) AS microconversions_sum, sum(conversions) AS conversions_sum, sum(revenue) AS revenue_sum
    FROM sessions_by_day
    GROUP BY account, version, rollup, month, code_1, code_2, code_3, code_4, code_5, code_6, code_7
);

CREATE MATERIALIZED VIEW IF NOT EXISTS page_views_by_day_view TO page_views_by_day AS
SELECT account, version, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances_sum AS entrances, engaged_entrances_sum AS engaged_entrances, page_views_sum AS page_views
FROM (
    SELECT account, version, toUInt8(rolled.1) AS rollup, day, toUInt32(rolled.2) AS code_1, toUInt32(rolled.3) AS code_2, toUInt32(rolled.4) AS code_3, toUInt32(rolled.5) AS code_4, toUInt32(rolled.6) AS code_5, toUInt32(rolled.7) AS code_6, toUInt32(rolled.8) AS code_7,
    sumIf(sign, is_entrance) AS entrances_sum, sumIf(sign, is_entrance AND is_engaged) AS engaged_entrances_sum, sum(sign) AS page_views_sum
    FROM page_views
    ARRAY JOIN [
        (toUInt8(16), toUInt32(path), toUInt32(content_grouping), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0))
    ] AS rolled
    GROUP BY account, version, rolled, day
);

CREATE MATERIALIZED VIEW IF NOT EXISTS page_views_by_month_view TO page_views_by_month AS
SELECT account, version, rollup, month AS day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances_sum AS entrances, engaged_entrances_sum AS engaged_entrances, page_views_sum AS page_views
FROM (
    SELECT account, version, rollup, toInt32(toStartOfMonth(toDate32(day))) AS month, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(entrances) AS entrances_sum, sum(engaged_entrances) AS engaged_entrances_sum, sum(page_views) AS page_views_sum
    FROM page_views_by_day
    GROUP BY account, version, rollup, month, code_1, code_2, code_3, code_4, code_5, code_6, code_7
);

CREATE MATERIALIZED VIEW IF NOT EXISTS goals_by_day_view TO goals_by_day AS
SELECT account, version, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, microconversions_sum AS microconversions, conversions_sum AS conversions, revenue_sum AS revenue, count_sum AS count
FROM (
    SELECT account, version, toUInt8(rolled.1) AS rollup, day, toUInt32(rolled.2) AS code_1, toUInt32(rolled.3) AS code_2, toUInt32(rolled.4) AS code_3, toUInt32(rolled.5) AS code_4, toUInt32(rolled.6) AS code_5, toUInt32(rolled.7) AS code_6, toUInt32(rolled.8) AS code_7,
    sumIf(sign, NOT is_conversion) AS microconversions_sum, sumIf(sign, is_conversion) AS conversions_sum, sum(sign * amount_cents) AS revenue_sum, sum(sign) AS count_sum
    FROM goals
    ARRAY JOIN [
        (toUInt8(17), toUInt32(is_conversion), toUInt32(goal), toUInt32(country), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(18), toUInt32(is_conversion), toUInt32(goal), toUInt32(device_type), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(19), toUInt32(is_conversion), toUInt32(goal), toUInt32(utm_source), toUInt32(utm_medium), toUInt32(utm_campaign), toUInt32(utm_term), toUInt32(utm_content)),
        (toUInt8(20), toUInt32(is_conversion), toUInt32(goal), toUInt32(landing_page), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0))
    ] AS rolled
    GROUP BY account, version, rolled, day
);

CREATE MATERIALIZED VIEW IF NOT EXISTS goals_by_month_view TO goals_by_month AS
SELECT account, version, rollup, month AS day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, microconversions_sum AS microconversions, conversions_sum AS conversions, revenue_sum AS revenue, count_sum AS count
FROM (
    SELECT account, version, rollup, toInt32(toStartOfMonth(toDate32(day))) AS month, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(microconversions) AS microconversions_sum, sum(conversions) AS conversions_sum, sum(revenue) AS revenue_sum, sum(count) AS count_sum
    FROM goals_by_day
    GROUP BY account, version, rollup, month, code_1, code_2, code_3, code_4, code_5, code_6, code_7
);

INSERT INTO fanin_meta SELECT 1, '' WHERE NOT EXISTS (SELECT layout FROM fanin_meta);

CREATE TABLE IF NOT EXISTS fanin_meta_local ON CLUSTER 'analytics' (
    layout UInt32,
    cluster String
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (layout)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS fanin_meta ON CLUSTER 'analytics' AS fanin_meta_local
ENGINE = Distributed('analytics', currentDatabase(), 'fanin_meta_local', layout);

CREATE TABLE IF NOT EXISTS accounts_local ON CLUSTER 'analytics' (
    id String,
    version UInt32,
    account UInt64,
    time_zone String,
    currency String,
    first_day Nullable(Int32),
    last_day Nullable(Int32),
    stamp String
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (id, version)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS accounts ON CLUSTER 'analytics' AS accounts_local
ENGINE = Distributed('analytics', currentDatabase(), 'accounts_local', cityHash64(id));

CREATE TABLE IF NOT EXISTS imports_local ON CLUSTER 'analytics' (
    account UInt64,
    version UInt32,
    digest String,
    source_name String,
    added UInt64
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, version, digest)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS imports ON CLUSTER 'analytics' AS imports_local
ENGINE = Distributed('analytics', currentDatabase(), 'imports_local', account);

CREATE TABLE IF NOT EXISTS claims_local ON CLUSTER 'analytics' (
    id String,
    claim String,
    serial UInt32,
    until DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', serial)
ORDER BY (id, claim)
TTL toDateTime(until) + INTERVAL 1 DAY
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS claims ON CLUSTER 'analytics' AS claims_local
ENGINE = Distributed('analytics', currentDatabase(), 'claims_local', cityHash64(id));

CREATE TABLE IF NOT EXISTS lexicon_local ON CLUSTER 'analytics' (
    account UInt64,
    dimension LowCardinality(String),
    code UInt32,
    value String,
    folded String
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, dimension, code)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS lexicon ON CLUSTER 'analytics' AS lexicon_local
ENGINE = Distributed('analytics', currentDatabase(), 'lexicon_local', account);

CREATE TABLE IF NOT EXISTS secrets_local ON CLUSTER 'analytics' (
    account UInt64,
    version UInt32,
    secret String
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, version)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS secrets ON CLUSTER 'analytics' AS secrets_local
ENGINE = Distributed('analytics', currentDatabase(), 'secrets_local', account);

CREATE TABLE IF NOT EXISTS settings_local ON CLUSTER 'analytics' (
    account UInt64,
    version UInt32,
    settings String
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, version)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS settings ON CLUSTER 'analytics' AS settings_local
ENGINE = Distributed('analytics', currentDatabase(), 'settings_local', account);

CREATE TABLE IF NOT EXISTS lines_local ON CLUSTER 'analytics' (
    account UInt64,
    version UInt32,
    line UInt64,
    times UInt32
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, line)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS lines ON CLUSTER 'analytics' AS lines_local
ENGINE = Distributed('analytics', currentDatabase(), 'lines_local', account);

CREATE TABLE IF NOT EXISTS visits_local ON CLUSTER 'analytics' (
    account UInt64,
    version UInt32,
    sign Int8,
    session UInt32,
    visitor UInt64,
    start Int64,
    last Int64
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, visitor, start)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS visits ON CLUSTER 'analytics' AS visits_local
ENGINE = Distributed('analytics', currentDatabase(), 'visits_local', account);

CREATE TABLE IF NOT EXISTS hits_local ON CLUSTER 'analytics' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, visitor, moment)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS hits ON CLUSTER 'analytics' AS hits_local
ENGINE = Distributed('analytics', currentDatabase(), 'hits_local', account);

CREATE TABLE IF NOT EXISTS hit_goals_local ON CLUSTER 'analytics' (
    account UInt64,
    version UInt32,
    hit Int64,
    goal UInt32,
    is_conversion Bool,
    amount_cents Int64
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, hit)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS hit_goals ON CLUSTER 'analytics' AS hit_goals_local
ENGINE = Distributed('analytics', currentDatabase(), 'hit_goals_local', account);

CREATE TABLE IF NOT EXISTS sessions_local ON CLUSTER 'analytics' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, day, start, session)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS sessions ON CLUSTER 'analytics' AS sessions_local
ENGINE = Distributed('analytics', currentDatabase(), 'sessions_local', account);

CREATE TABLE IF NOT EXISTS page_views_local ON CLUSTER 'analytics' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, day, start, session)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS page_views ON CLUSTER 'analytics' AS page_views_local
ENGINE = Distributed('analytics', currentDatabase(), 'page_views_local', account);

CREATE TABLE IF NOT EXISTS goals_local ON CLUSTER 'analytics' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (account, day, start, session)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS goals ON CLUSTER 'analytics' AS goals_local
ENGINE = Distributed('analytics', currentDatabase(), 'goals_local', account);

CREATE TABLE IF NOT EXISTS sessions_by_day_local ON CLUSTER 'analytics' (
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
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', (entrances, engaged_entrances, page_views, microconversions, conversions, revenue))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS sessions_by_day ON CLUSTER 'analytics' AS sessions_by_day_local
ENGINE = Distributed('analytics', currentDatabase(), 'sessions_by_day_local', account);

CREATE TABLE IF NOT EXISTS sessions_by_month_local ON CLUSTER 'analytics' (
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
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', (entrances, engaged_entrances, page_views, microconversions, conversions, revenue))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS sessions_by_month ON CLUSTER 'analytics' AS sessions_by_month_local
ENGINE = Distributed('analytics', currentDatabase(), 'sessions_by_month_local', account);

CREATE TABLE IF NOT EXISTS page_views_by_day_local ON CLUSTER 'analytics' (
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
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', (entrances, engaged_entrances, page_views))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS page_views_by_day ON CLUSTER 'analytics' AS page_views_by_day_local
ENGINE = Distributed('analytics', currentDatabase(), 'page_views_by_day_local', account);

CREATE TABLE IF NOT EXISTS page_views_by_month_local ON CLUSTER 'analytics' (
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
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', (entrances, engaged_entrances, page_views))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS page_views_by_month ON CLUSTER 'analytics' AS page_views_by_month_local
ENGINE = Distributed('analytics', currentDatabase(), 'page_views_by_month_local', account);

CREATE TABLE IF NOT EXISTS goals_by_day_local ON CLUSTER 'analytics' (
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
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', (microconversions, conversions, revenue, count))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS goals_by_day ON CLUSTER 'analytics' AS goals_by_day_local
ENGINE = Distributed('analytics', currentDatabase(), 'goals_by_day_local', account);

CREATE TABLE IF NOT EXISTS goals_by_month_local ON CLUSTER 'analytics' (
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
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', (microconversions, conversions, revenue, count))
ORDER BY (account, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, version)
SETTINGS replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS goals_by_month ON CLUSTER 'analytics' AS goals_by_month_local
ENGINE = Distributed('analytics', currentDatabase(), 'goals_by_month_local', account);

CREATE MATERIALIZED VIEW IF NOT EXISTS sessions_by_day_view ON CLUSTER 'analytics' TO sessions_by_day_local AS
SELECT account, version, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances_sum AS entrances, engaged_entrances_sum AS engaged_entrances, page_views_sum AS page_views, microconversions_sum AS microconversions, conversions_sum AS conversions, revenue_sum AS revenue
FROM (
    SELECT account, version, toUInt8(rolled.1) AS rollup, day, toUInt32(rolled.2) AS code_1, toUInt32(rolled.3) AS code_2, toUInt32(rolled.4) AS code_3, toUInt32(rolled.5) AS code_4, toUInt32(rolled.6) AS code_5, toUInt32(rolled.7) AS code_6, toUInt32(rolled.8) AS code_7,
    sum(sign) AS entrances_sum, sumIf(sign, page_views >= 2) AS engaged_entrances_sum, sum(sign * page_views) AS page_views_sum, sum(sign * microconversions) AS microconversions_sum, sum(sign * conversions) AS conversions_sum, sum(sign * revenue_cents) AS revenue_sum
    FROM sessions_local
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

CREATE MATERIALIZED VIEW IF NOT EXISTS sessions_by_month_view ON CLUSTER 'analytics' TO sessions_by_month_local AS
SELECT account, version, rollup, month AS day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances_sum AS entrances, engaged_entrances_sum AS engaged_entrances, page_views_sum AS page_views, microconversions_sum AS microconversions, conversions_sum AS conversions, revenue_sum AS revenue
FROM (
    SELECT account, version, rollup, toInt32(toStartOfMonth(toDate32(day))) AS month, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(entrances) AS entrances_sum, sum(engaged_entrances) AS engaged_entrances_sum, sum(page_views) AS page_views_sum, sum(microconversions) AS microconversions_sum, sum(conversions) AS conversions_sum, sum(revenue) AS revenue_sum
    FROM sessions_by_day_local
    GROUP BY account, version, rollup, month, code_1, code_2, code_3, code_4, code_5, code_6, code_7
);

CREATE MATERIALIZED VIEW IF NOT EXISTS page_views_by_day_view ON CLUSTER 'analytics' TO page_views_by_day_local AS
SELECT account, version, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances_sum AS entrances, engaged_entrances_sum AS engaged_entrances, page_views_sum AS page_views
FROM (
    SELECT account, version, toUInt8(rolled.1) AS rollup, day, toUInt32(rolled.2) AS code_1, toUInt32(rolled.3) AS code_2, toUInt32(rolled.4) AS code_3, toUInt32(rolled.5) AS code_4, toUInt32(rolled.6) AS code_5, toUInt32(rolled.7) AS code_6, toUInt32(rolled.8) AS code_7,
    sumIf(sign, is_entrance) AS entrances_sum, sumIf(sign, is_entrance AND is_engaged) AS engaged_entrances_sum, sum(sign) AS page_views_sum
    FROM page_views_local
    ARRAY JOIN [
        (toUInt8(16), toUInt32(path), toUInt32(content_grouping), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0))
    ] AS rolled
    GROUP BY account, version, rolled, day
);

CREATE MATERIALIZED VIEW IF NOT EXISTS page_views_by_month_view ON CLUSTER 'analytics' TO page_views_by_month_local AS
SELECT account, version, rollup, month AS day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances_sum AS entrances, engaged_entrances_sum AS engaged_entrances, page_views_sum AS page_views
FROM (
    SELECT account, version, rollup, toInt32(toStartOfMonth(toDate32(day))) AS month, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(entrances) AS entrances_sum, sum(engaged_entrances) AS engaged_entrances_sum, sum(page_views) AS page_views_sum
    FROM page_views_by_day_local
    GROUP BY account, version, rollup, month, code_1, code_2, code_3, code_4, code_5, code_6, code_7
);

CREATE MATERIALIZED VIEW IF NOT EXISTS goals_by_day_view ON CLUSTER 'analytics' TO goals_by_day_local AS
SELECT account, version, rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, microconversions_sum AS microconversions, conversions_sum AS conversions, revenue_sum AS revenue, count_sum AS count
FROM (
    SELECT account, version, toUInt8(rolled.1) AS rollup, day, toUInt32(rolled.2) AS code_1, toUInt32(rolled.3) AS code_2, toUInt32(rolled.4) AS code_3, toUInt32(rolled.5) AS code_4, toUInt32(rolled.6) AS code_5, toUInt32(rolled.7) AS code_6, toUInt32(rolled.8) AS code_7,
    sumIf(sign, NOT is_conversion) AS microconversions_sum, sumIf(sign, is_conversion) AS conversions_sum, sum(sign * amount_cents) AS revenue_sum, sum(sign) AS count_sum
    FROM goals_local
    ARRAY JOIN [
        (toUInt8(17), toUInt32(is_conversion), toUInt32(goal), toUInt32(country), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(18), toUInt32(is_conversion), toUInt32(goal), toUInt32(device_type), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0)),
        (toUInt8(19), toUInt32(is_conversion), toUInt32(goal), toUInt32(utm_source), toUInt32(utm_medium), toUInt32(utm_campaign), toUInt32(utm_term), toUInt32(utm_content)),
        (toUInt8(20), toUInt32(is_conversion), toUInt32(goal), toUInt32(landing_page), toUInt32(0), toUInt32(0), toUInt32(0), toUInt32(0))
    ] AS rolled
    GROUP BY account, version, rolled, day
);

CREATE MATERIALIZED VIEW IF NOT EXISTS goals_by_month_view ON CLUSTER 'analytics' TO goals_by_month_local AS
SELECT account, version, rollup, month AS day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, microconversions_sum AS microconversions, conversions_sum AS conversions, revenue_sum AS revenue, count_sum AS count
FROM (
    SELECT account, version, rollup, toInt32(toStartOfMonth(toDate32(day))) AS month, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(microconversions) AS microconversions_sum, sum(conversions) AS conversions_sum, sum(revenue) AS revenue_sum, sum(count) AS count_sum
    FROM goals_by_day_local
    GROUP BY account, version, rollup, month, code_1, code_2, code_3, code_4, code_5, code_6, code_7
);

INSERT INTO fanin_meta SELECT 1, 'analytics' WHERE NOT EXISTS (SELECT layout FROM fanin_meta);

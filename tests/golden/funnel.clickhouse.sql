SELECT 0 AS window_place, 0 AS grouping_place, toUInt32(utm_source) AS code_1, toUInt32(utm_medium) AS code_2, toUInt32(utm_campaign) AS code_3, toUInt32(utm_term) AS code_4, sum(sign) AS entrances_sum, sum(sign * page_views) AS page_views_sum
FROM sessions
WHERE account = {p0:UInt64} AND version <= {p1:UInt32}
    AND (day BETWEEN {p2:Int64} AND {p3:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p4:UInt64} AND dimension = {p5:String} AND folded IN ({p6:String}))
GROUP BY utm_source, utm_medium, utm_campaign, utm_term
HAVING sum(sign) > 0;

SELECT 0 AS window_place, 0 AS grouping_place, toUInt32(is_conversion) AS code_1, toUInt32(goal) AS code_2, toUInt32(utm_source) AS code_3, toUInt32(utm_medium) AS code_4, toUInt32(utm_campaign) AS code_5, toUInt32(utm_term) AS code_6, sum(sign * amount_cents) AS revenue_sum, sum(sign) AS count_sum
FROM goals
WHERE account = {p0:UInt64} AND version <= {p1:UInt32}
    AND (day BETWEEN {p2:Int64} AND {p3:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p4:UInt64} AND dimension = {p5:String} AND folded IN ({p6:String}))
GROUP BY is_conversion, goal, utm_source, utm_medium, utm_campaign, utm_term
HAVING sum(sign) > 0;

SELECT 0 AS window_place, rollup, toInt32(0) AS row_day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(told_entrances) AS entrances_sum, sum(told_page_views) AS page_views_sum
FROM (
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances AS told_entrances, page_views AS told_page_views FROM sessions_by_month WHERE account = {p0:UInt64} AND version <= {p1:UInt32} AND rollup IN (15) AND day BETWEEN {p2:Int64} AND {p3:Int64}
)
GROUP BY row_day, rollup, code_1, code_2, code_3, code_4, code_5, code_6, code_7
HAVING sum(told_entrances) > 0
UNION ALL
SELECT 1 AS window_place, rollup, toInt32(0) AS row_day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(told_entrances) AS entrances_sum, sum(told_page_views) AS page_views_sum
FROM (
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances AS told_entrances, page_views AS told_page_views FROM sessions_by_month WHERE account = {p4:UInt64} AND version <= {p5:UInt32} AND rollup IN (15) AND day BETWEEN {p6:Int64} AND {p7:Int64}
UNION ALL
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances AS told_entrances, page_views AS told_page_views FROM sessions_by_day WHERE account = {p8:UInt64} AND version <= {p9:UInt32} AND rollup IN (15) AND day BETWEEN {p10:Int64} AND {p11:Int64}
)
GROUP BY row_day, rollup, code_1, code_2, code_3, code_4, code_5, code_6, code_7
HAVING sum(told_entrances) > 0;

SELECT 0 AS window_place, rollup, toInt32(0) AS row_day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(told_revenue) AS revenue_sum, sum(told_count) AS count_sum
FROM (
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, revenue AS told_revenue, count AS told_count FROM goals_by_month WHERE account = {p0:UInt64} AND version <= {p1:UInt32} AND rollup IN (19) AND day BETWEEN {p2:Int64} AND {p3:Int64}
)
GROUP BY row_day, rollup, code_1, code_2, code_3, code_4, code_5, code_6, code_7
HAVING sum(told_count) > 0
UNION ALL
SELECT 1 AS window_place, rollup, toInt32(0) AS row_day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(told_revenue) AS revenue_sum, sum(told_count) AS count_sum
FROM (
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, revenue AS told_revenue, count AS told_count FROM goals_by_month WHERE account = {p4:UInt64} AND version <= {p5:UInt32} AND rollup IN (19) AND day BETWEEN {p6:Int64} AND {p7:Int64}
UNION ALL
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, revenue AS told_revenue, count AS told_count FROM goals_by_day WHERE account = {p8:UInt64} AND version <= {p9:UInt32} AND rollup IN (19) AND day BETWEEN {p10:Int64} AND {p11:Int64}
)
GROUP BY row_day, rollup, code_1, code_2, code_3, code_4, code_5, code_6, code_7
HAVING sum(told_count) > 0;

SELECT 0 AS window_place, 0 AS grouping_place, toUInt32(is_conversion) AS code_1, toUInt32(goal) AS code_2, toUInt32(0) AS code_3, toUInt32(0) AS code_4, toUInt32(0) AS code_5, toUInt32(0) AS code_6, toUInt32(0) AS code_7, sum(sign * amount_cents) AS revenue_sum, sum(sign) AS count_sum
FROM goals
WHERE account = {p0:UInt64} AND version <= {p1:UInt32}
    AND (day BETWEEN {p2:Int64} AND {p3:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p4:UInt64} AND dimension = {p5:String} AND folded IN ({p6:String}))
GROUP BY is_conversion, goal
HAVING sum(sign) > 0
UNION ALL
SELECT 0 AS window_place, 1 AS grouping_place, toUInt32(is_conversion) AS code_1, toUInt32(goal) AS code_2, toUInt32(country) AS code_3, toUInt32(0) AS code_4, toUInt32(0) AS code_5, toUInt32(0) AS code_6, toUInt32(0) AS code_7, sum(sign * amount_cents) AS revenue_sum, sum(sign) AS count_sum
FROM goals
WHERE account = {p7:UInt64} AND version <= {p8:UInt32}
    AND (day BETWEEN {p9:Int64} AND {p10:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p11:UInt64} AND dimension = {p12:String} AND folded IN ({p13:String}))
GROUP BY is_conversion, goal, country
HAVING sum(sign) > 0
UNION ALL
SELECT 0 AS window_place, 2 AS grouping_place, toUInt32(is_conversion) AS code_1, toUInt32(goal) AS code_2, toUInt32(utm_source) AS code_3, toUInt32(utm_medium) AS code_4, toUInt32(utm_campaign) AS code_5, toUInt32(utm_term) AS code_6, toUInt32(utm_content) AS code_7, sum(sign * amount_cents) AS revenue_sum, sum(sign) AS count_sum
FROM goals
WHERE account = {p14:UInt64} AND version <= {p15:UInt32}
    AND (day BETWEEN {p16:Int64} AND {p17:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p18:UInt64} AND dimension = {p19:String} AND folded IN ({p20:String}))
GROUP BY is_conversion, goal, utm_source, utm_medium, utm_campaign, utm_term, utm_content
HAVING sum(sign) > 0
UNION ALL
SELECT 1 AS window_place, 0 AS grouping_place, toUInt32(is_conversion) AS code_1, toUInt32(goal) AS code_2, toUInt32(0) AS code_3, toUInt32(0) AS code_4, toUInt32(0) AS code_5, toUInt32(0) AS code_6, toUInt32(0) AS code_7, sum(sign * amount_cents) AS revenue_sum, sum(sign) AS count_sum
FROM goals
WHERE account = {p21:UInt64} AND version <= {p22:UInt32}
    AND (day BETWEEN {p23:Int64} AND {p24:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p25:UInt64} AND dimension = {p26:String} AND folded IN ({p27:String}))
GROUP BY is_conversion, goal
HAVING sum(sign) > 0
UNION ALL
SELECT 1 AS window_place, 1 AS grouping_place, toUInt32(is_conversion) AS code_1, toUInt32(goal) AS code_2, toUInt32(country) AS code_3, toUInt32(0) AS code_4, toUInt32(0) AS code_5, toUInt32(0) AS code_6, toUInt32(0) AS code_7, sum(sign * amount_cents) AS revenue_sum, sum(sign) AS count_sum
FROM goals
WHERE account = {p28:UInt64} AND version <= {p29:UInt32}
    AND (day BETWEEN {p30:Int64} AND {p31:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p32:UInt64} AND dimension = {p33:String} AND folded IN ({p34:String}))
GROUP BY is_conversion, goal, country
HAVING sum(sign) > 0
UNION ALL
SELECT 1 AS window_place, 2 AS grouping_place, toUInt32(is_conversion) AS code_1, toUInt32(goal) AS code_2, toUInt32(utm_source) AS code_3, toUInt32(utm_medium) AS code_4, toUInt32(utm_campaign) AS code_5, toUInt32(utm_term) AS code_6, toUInt32(utm_content) AS code_7, sum(sign * amount_cents) AS revenue_sum, sum(sign) AS count_sum
FROM goals
WHERE account = {p35:UInt64} AND version <= {p36:UInt32}
    AND (day BETWEEN {p37:Int64} AND {p38:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p39:UInt64} AND dimension = {p40:String} AND folded IN ({p41:String}))
GROUP BY is_conversion, goal, utm_source, utm_medium, utm_campaign, utm_term, utm_content
HAVING sum(sign) > 0;

SELECT 0 AS window_place, rollup, toInt32(0) AS row_day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(told_revenue) AS revenue_sum, sum(told_count) AS count_sum
FROM (
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, revenue AS told_revenue, count AS told_count FROM goals_by_month WHERE account = {p0:UInt64} AND version <= {p1:UInt32} AND rollup IN (17, 19) AND day BETWEEN {p2:Int64} AND {p3:Int64}
)
GROUP BY row_day, rollup, code_1, code_2, code_3, code_4, code_5, code_6, code_7
HAVING sum(told_count) > 0
UNION ALL
SELECT 1 AS window_place, rollup, toInt32(0) AS row_day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(told_revenue) AS revenue_sum, sum(told_count) AS count_sum
FROM (
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, revenue AS told_revenue, count AS told_count FROM goals_by_month WHERE account = {p4:UInt64} AND version <= {p5:UInt32} AND rollup IN (17, 19) AND day BETWEEN {p6:Int64} AND {p7:Int64}
UNION ALL
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, revenue AS told_revenue, count AS told_count FROM goals_by_day WHERE account = {p8:UInt64} AND version <= {p9:UInt32} AND rollup IN (17, 19) AND day BETWEEN {p10:Int64} AND {p11:Int64}
)
GROUP BY row_day, rollup, code_1, code_2, code_3, code_4, code_5, code_6, code_7
HAVING sum(told_count) > 0;

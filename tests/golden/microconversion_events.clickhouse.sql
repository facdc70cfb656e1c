SELECT session, moment, is_conversion AS goal_kind, goal AS goal, amount_cents, country AS country, device_type AS device_type, browser AS browser, os AS os, channel AS channel, landing_page AS landing_page, utm_source AS utm_source, utm_medium AS utm_medium, utm_campaign AS utm_campaign, utm_term AS utm_term, utm_content AS utm_content
FROM goals
WHERE account = {p0:UInt64} AND version <= {p1:UInt32}
    AND (day BETWEEN {p2:Int64} AND {p3:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p4:UInt64} AND dimension = {p5:String} AND folded IN ({p6:String}))
    AND sign > 0
    AND session NOT IN (SELECT session FROM sessions WHERE account = {p7:UInt64} AND version <= {p8:UInt32} AND sign < 0);

SELECT session, moment, is_conversion AS goal_kind, goal AS goal, amount_cents, country AS country, device_type AS device_type, browser AS browser, os AS os, channel AS channel, landing_page AS landing_page, utm_source AS utm_source, utm_medium AS utm_medium, utm_campaign AS utm_campaign, utm_term AS utm_term, utm_content AS utm_content
FROM warehouse.goals
WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?));

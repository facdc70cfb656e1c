from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fanin.ingest.sessions import IDLE_S, REDIRECT_S, sessions_of
from fanin.warehouse.facts import Arrival, Goal, GoalKind, Hit, PageView, Session, Visitor

VISITOR = Visitor("ES", "mobile", "Safari", "iOS")
GOOGLE = Arrival("google", "organic", referrer="https://www.google.com/")
NEWS = Arrival("news", "email", "spring", is_tagged=True)


def view(at, path="/", *, arrival=None, same_site=False):
    return Hit(at, same_site, arrival, PageView(at, path), (), VISITOR)


def goal(at, name="purchase", *, same_site=True):
    return Hit(at, same_site, None, None, (Goal(at, GoalKind.CONVERSION, name, 100),), VISITOR)


def redirect(at, arrival):
    return Hit(at, False, arrival, visitor=VISITOR)


def sessions(*hits):
    return list(sessions_of(hits))


def sources(*hits):
    return [(found.utm_source, found.utm_medium, found.channel) for found in sessions(*hits)]


def test_a_session_carries_where_its_visitor_came_from_and_what_they_used():
    assert sessions(view(10, "/a", arrival=NEWS), goal(20), view(30, "/b", same_site=True)) == [
        Session(
            start=10,
            page_views=(PageView(10, "/a"), PageView(30, "/b")),
            goals=(Goal(20, GoalKind.CONVERSION, "purchase", 100),),
            utm_source="news",
            utm_medium="email",
            utm_campaign="spring",
            referrer="",
            channel="Email",
            country="ES",
            device_type="mobile",
            browser="Safari",
            os="iOS",
        )
    ]


def test_no_hits_make_no_session():
    assert sessions() == []


def test_without_a_referrer_a_session_is_direct():
    assert sources(view(0)) == [("(direct)", "(none)", "Direct")]


def test_with_a_search_engine_for_referrer_it_is_organic_search():
    assert sources(view(0, arrival=GOOGLE)) == [("google", "organic", "Organic Search")]


def test_a_same_site_hit_without_a_live_session_is_rejoined_and_unassigned():
    assert sources(view(0, same_site=True)) == [("rejoined", "(none)", "Unassigned")]


def test_a_session_lives_through_two_hours_without_a_hit():
    assert [len(found.page_views) for found in sessions(view(0), view(IDLE_S, same_site=True))] == [2]


def test_a_session_ends_after_more_than_two_hours_without_a_hit():
    assert sources(view(0, arrival=GOOGLE), view(IDLE_S + 1, same_site=True)) == [
        ("google", "organic", "Organic Search"),
        ("rejoined", "(none)", "Unassigned"),
    ]


def test_every_hit_keeps_a_session_alive_not_only_page_views():
    assert len(sessions(view(0), goal(IDLE_S), view(2 * IDLE_S, same_site=True))) == 1


def test_an_arrival_in_a_live_session_stays_in_it_and_is_its_last_click():
    assert sources(view(0, arrival=GOOGLE), view(60, arrival=NEWS), goal(90)) == [("news", "email", "Email")]


def test_a_direct_hit_in_a_live_session_changes_no_source():
    assert sources(view(0, arrival=GOOGLE), view(60)) == [("google", "organic", "Organic Search")]


def test_nothing_is_looked_up_in_an_earlier_session():
    assert sources(view(0, arrival=NEWS), view(IDLE_S + 1)) == [
        ("news", "email", "Email"),
        ("(direct)", "(none)", "Direct"),
    ]


def test_a_session_of_goals_only_has_no_page_views():
    assert [(found.start, found.page_views, len(found.goals)) for found in sessions(goal(5), goal(6))] == [(5, (), 2)]


def test_a_redirect_hands_its_arrival_to_the_page_view_after_it():
    assert sources(redirect(0, NEWS), view(1, same_site=True)) == [("news", "email", "Email")]


def test_a_redirect_is_no_hit_of_a_session():
    assert [found.start for found in sessions(redirect(0, NEWS), view(3))] == [3]
    assert sessions(redirect(0, NEWS)) == []


def test_a_redirect_is_forgotten_after_a_few_seconds():
    assert sources(redirect(0, NEWS), view(REDIRECT_S + 1)) == [("(direct)", "(none)", "Direct")]


def test_a_redirect_is_handed_on_once():
    assert sources(redirect(0, NEWS), view(1), view(2, arrival=GOOGLE)) == [("google", "organic", "Organic Search")]


def test_tags_of_a_redirect_come_before_the_referrer_that_outlives_it():
    assert sources(redirect(0, NEWS), view(1, arrival=GOOGLE)) == [("news", "email", "Email")]


def test_the_tags_of_a_page_view_come_before_those_of_its_redirect():
    other = NEWS._replace(source="other")

    assert sources(redirect(0, other), view(1, arrival=NEWS)) == [("news", "email", "Email")]


def test_tags_survive_a_second_redirect_that_has_lost_them():
    assert sources(redirect(0, NEWS), redirect(1, GOOGLE), view(2, arrival=GOOGLE)) == [("news", "email", "Email")]


@given(st.lists(st.tuples(st.integers(0, 10 * IDLE_S), st.booleans(), st.sampled_from([None, GOOGLE, NEWS]))))
def test_every_page_view_is_in_exactly_one_session_and_sessions_are_apart(drawn):
    hits = [view(at, same_site=same_site, arrival=arrival) for at, same_site, arrival in sorted(drawn, key=str)]
    hits.sort(key=lambda hit: hit.at)

    found = sessions(*hits)

    assert [page.at for session in found for page in session.page_views] == [hit.at for hit in hits]
    ends = [(session.start, session.page_views[-1].at) for session in found]
    assert all(later[0] - earlier[1] > IDLE_S for earlier, later in pairwise(ends))

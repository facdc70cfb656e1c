"""The same requests as each kind of server would log them.  Nothing of ``ingest`` takes part in the writing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Request:
    address: str
    at: int  # UTC, seconds since 1970
    method: str
    target: str
    status: str
    referrer: str = "-"
    agent: str = "-"

    @property
    def line(self) -> str:
        return f"{self.method} {self.target} HTTP/1.1"

    @property
    def stem(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2] or "-"

    def time(self, pattern: str) -> str:
        return datetime.fromtimestamp(self.at, UTC).strftime(pattern)

    @property
    def clf(self) -> str:
        return self.time("%d/%b/%Y:%H:%M:%S +0000")


def requests_of(log: Path, count: int) -> list[Request]:
    """The first requests of a combined log, cut at its quotes; what is cut off or holds escapes is left out."""
    with gzip.open(log, "rt", encoding="utf-8") as lines:
        cut = (line.rstrip("\n").split('"') for line, _ in zip(lines, range(count), strict=False))
        return list(_requests(cut))


def _requests(lines: Iterator[list[str]]) -> Iterator[Request]:
    for parts in lines:
        if len(parts) < 7 or any("\\" in part for part in parts):
            continue
        address, *_, day, zone = parts[0].split()
        at = datetime.strptime(f"{day} {zone}", "[%d/%b/%Y:%H:%M:%S %z]").timestamp()
        method, target, _ = parts[1].split(" ")
        yield Request(address, int(at), method, target, parts[2].split()[0], parts[3], parts[5])


def combined(one: Request) -> str:
    return f'{common(one)} "{one.referrer}" "{one.agent}"'


def common(one: Request) -> str:
    return f'{one.address} - - [{one.clf}] "{one.line}" {one.status} 512'


def vhost_combined(one: Request) -> str:
    return f"www.example.com:443 {combined(one)}"


def with_further_fields(one: Request) -> str:
    return f'{combined(one)} "10.1.2.3, 10.1.2.4" 0.004 rt=0.1'


def traefik_clf(one: Request) -> str:
    return f'{combined(one)} 7 "web@docker" "http://10.0.0.2:80" 3ms'


def nginx_json(one: Request) -> str:
    return json.dumps(
        {
            "time_iso8601": one.time("%Y-%m-%dT%H:%M:%S+00:00"),
            "remote_addr": one.address,
            "request": one.line,
            "status": int(one.status),
            "http_referer": one.referrer,
            "http_user_agent": one.agent,
            "request_time": 0.004,
        }
    )


def caddy(one: Request) -> str:
    sent = {"Referer": one.referrer, "User-Agent": one.agent, "Accept": "*/*"}
    headers = {name: [value] for name, value in sent.items() if value != "-"}
    request = {
        "remote_ip": one.address,
        "remote_port": "41342",
        "client_ip": one.address,
        "proto": "HTTP/2.0",
        "method": one.method,
        "host": "www.example.com",
        "uri": one.target,
        "headers": headers,
    }
    entry = {"level": "info", "ts": one.at + 0.5, "logger": "http.log.access", "msg": "handled request"}
    return json.dumps(entry | {"request": request, "duration": 0.001, "size": 512, "status": int(one.status)})


def traefik(one: Request) -> str:
    headers = {"request_Referer": one.referrer, "request_User-Agent": one.agent, "request_Accept": "*/*"}
    entry = {
        "ClientAddr": f"{one.address}:54012",
        "ClientHost": one.address,
        "DownstreamStatus": int(one.status),
        "RequestMethod": one.method,
        "RequestPath": one.target,
        "RequestHost": "www.example.com",
        "StartUTC": one.time("%Y-%m-%dT%H:%M:%S.123456789Z"),
        "level": "info",
        "time": "2030-01-01T00:00:00Z",
    }
    return json.dumps(entry | {name: value for name, value in headers.items() if value != "-"})


IIS_HEADER = (
    "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2015-05-17 10:05:00\n"
    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) "
    "sc-status sc-substatus sc-win32-status time-taken\n"
)


def iis(one: Request) -> str:
    day, agent = one.time("%Y-%m-%d %H:%M:%S"), one.agent.replace(" ", "+")
    return f"{day} 10.0.0.1 {one.method} {one.stem} {one.query} 443 - {one.address} {agent} {one.referrer} {one.status} 0 0 15"


CLOUDFRONT_HEADER = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status "
    "cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header\n"
)


def cloudfront(one: Request) -> str:
    fields = (
        one.time("%Y-%m-%d"), one.time("%H:%M:%S"), "FRA2-C1", "512", one.address, one.method, "d1.cloudfront.net",
        one.stem, one.status, quote(one.referrer, safe="-/:?&=%+"), quote(one.agent, safe="-/:()+;,"), one.query, "-",
        "Hit", "SOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==", "www.example.com",
    )  # fmt: skip
    return "\t".join(fields)


def alb(one: Request) -> str:
    target = f"https://www.example.com:443{one.target}"
    return (
        f"h2 {one.time('%Y-%m-%dT%H:%M:%S.123456Z')} app/web/50dc6c495c0c9188 {one.address}:46532 10.0.0.66:9000 0.000 "
        f'0.002 0.000 {one.status} 200 34 366 "{one.method} {target} HTTP/2.0" "{one.agent}" '
        "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/1 "
        '"Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "-" 1 "-" "forward" "-" "-" "-" "-" "-" "-"'
    )


def s3(one: Request) -> str:
    referrer, agent = (value if value == "-" else f'"{value}"' for value in (one.referrer, one.agent))
    return (
        f"79a59df900b949e5 my-bucket [{one.clf}] {one.address} - 3E57427F3EXAMPLE WEBSITE.GET.OBJECT {one.stem[1:] or '-'} "
        f'"{one.line}" {one.status} - 512 2662992 70 10 {referrer} {agent} - hostid= SigV4 - AuthHeader s3.amazonaws.com TLSV1.2 - -'
    )


# Name of the format, how one request is written, what stands in front of all.
SERVERS: dict[str, tuple[str, Callable[[Request], str], str]] = {
    "combined": ("combined", combined, ""),
    "further": ("combined", with_further_fields, ""),
    "traefik_clf": ("combined", traefik_clf, ""),
    "vhost_combined": ("vhost_combined", vhost_combined, ""),
    "common": ("common", common, ""),
    "nginx_json": ("nginx_json", nginx_json, ""),
    "caddy": ("caddy", caddy, ""),
    "traefik": ("traefik", traefik, ""),
    "iis": ("w3c", iis, IIS_HEADER),
    "cloudfront": ("cloudfront", cloudfront, CLOUDFRONT_HEADER),
    "alb": ("alb", alb, ""),
    "s3": ("s3", s3, ""),
}


def rendered(server: str, requests: list[Request]) -> str:
    _, write, header = SERVERS[server]
    return header + "".join(f"{write(request)}\n" for request in requests)

"""DingTalk's official SDK, one call for each line of JSON on standard input, one line of JSON in answer.

It knows no relay and no simulator: an endpoint, and what its caller wants said. `{"do": "send", ...}` is answered with
`{"ok": {...}}`, or with `{"error": {"code": ..., "status": ...}}` where the SDK raised.
"""

import json
import sys

from alibabacloud_dingtalk.oauth2_1_0 import models as oauth
from alibabacloud_dingtalk.oauth2_1_0.client import Client as OauthClient
from alibabacloud_dingtalk.robot_1_0 import models as robot
from alibabacloud_dingtalk.robot_1_0.client import Client as RobotClient
from alibabacloud_tea_openapi import models as openapi
from alibabacloud_tea_util import models as util
from Tea.exceptions import TeaException


def config(endpoint):
    settings = openapi.Config()
    settings.protocol = "http"
    settings.region_id = "central"
    settings.endpoint = endpoint
    return settings


def once():
    return util.RuntimeOptions(autoretry=False, max_attempts=1)


def token(endpoint, app_key, app_secret):
    request = oauth.GetAccessTokenRequest(app_key=app_key, app_secret=app_secret)
    return OauthClient(config(endpoint)).get_access_token(request).body


def send(endpoint, access_token, **fields):
    headers = robot.OrgGroupSendHeaders(x_acs_dingtalk_access_token=access_token)
    request = robot.OrgGroupSendRequest(**fields)
    return RobotClient(config(endpoint)).org_group_send_with_options(request, headers, once()).body


def query(endpoint, access_token, **fields):
    headers = robot.OrgGroupQueryHeaders(x_acs_dingtalk_access_token=access_token)
    request = robot.OrgGroupQueryRequest(**fields)
    return RobotClient(config(endpoint)).org_group_query_with_options(request, headers, once()).body


def recall(endpoint, access_token, **fields):
    headers = robot.OrgGroupRecallHeaders(x_acs_dingtalk_access_token=access_token)
    request = robot.OrgGroupRecallRequest(**fields)
    return RobotClient(config(endpoint)).org_group_recall_with_options(request, headers, once()).body


CALLS = {"token": token, "send": send, "query": query, "recall": recall}

for line in sys.stdin:
    wanted = json.loads(line)
    call = CALLS[wanted.pop("do")]
    try:
        answer = {"ok": call(**wanted).to_map()}
    except TeaException as error:
        answer = {"error": {"code": error.code, "status": (error.data or {}).get("statusCode")}}
    print(json.dumps(answer), flush=True)

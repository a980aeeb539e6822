"""What Alma refuses, in its own codes and words: everything that is wrong with a request is HTTP 400.

Source: the Configuration API, https://developers.exlibrisgroup.com/alma/apis/conf/
"""

from __future__ import annotations

TEXTS: dict[str, str] = {
    "402119": "General Error - An error has occurred while processing the request.",
    "402215": "Invalid format for job_id. Valid format: Job type prefix (S,M,O) followed by digits",
    "402216": "Invalid job id.",
    "402217": "Invalid date format.",
    "402218": "Invalid job instance id.",
    "402220": "Operation was not provided.",
    "402221": "Operation is not supported.",
    "402222": "Execution threshold reached: not more than 3 jobs initiated by the API may run at once.",
    "402223": "Execution threshold reached: not more than 5 of the specific job may start within an hour.",
    "402228": "Mandatory parameter is missing from input.",
    "402229": "Mandatory parameter value is empty.",
    "402231": "Job consists of more than one task - executing such job is not supported via the API.",
    "402248": "Cannot submit scheduled job.",
    "402249": "Invalid scheduled job category.",
    "402261": "The set has no name or no content type.",
    "402263": "A set of this name exists already.",
    "402262": "Set type is invalid. Only 'ITEMIZED' and 'LOGICAL' sets are supported.",
    "402264": "Set ID is invalid.",
    "402265": "Failed to create a set.",
    "402266": "Population value is invalid.",
    "402267": "Job instance type for the provided job_instance_id is not MD_IMPORT - "
    "the operation is not supported.",
    "40166410": "Parameter value invalid.",
    "40166411": "Param value is invalid.",
    "40166404": "Invalid type.",
    "60106": "Invalid query format.",
    "60107": "Set not found: Set ID",
    "60111": "Invalid operation.",
    "60112": "Invalid set type.",
    "60113": "No members were given.",
    "60114": "A member has no ID.",
    "60115": "A member is in the set already.",
    "60116": "A member's ID is not valid.",
    "60117": "Input set member ID is not in set.",
    "60118": "More members than are allowed in one call.",
    "60119": "A member was given twice.",
    "60120": "A member ID is not valid for the content and identifier.",
    "60204": "Set combine operator not valid.",
    "60205": "Combining sets are not the same type.",
    "60209": "Set private value not valid.",
    "60304": "Invalid profile ID.",
    "60332": "This service will only work for the job category and type of USERS/SIS.",
    "60347": "Job overlaps with running job - cannot execute.",
    "500127": "'job_instance_id' and 'population' must be provided together.",
}


class Refusal(Exception):
    """An error of Alma's own: a number, and HTTP 400 in the form that was asked for.

    Args:
        code: one of TEXTS.
        detail: is put behind the text, such as the parameter's name.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.text = f"{TEXTS[code]} {detail}".strip()
        super().__init__(code, self.text)


GATEWAY_TEXTS: dict[str, tuple[int, str]] = {
    "UNAUTHORIZED": (400, "API-key not defined or not configured to allow this API."),
    "INVALID_REQUEST": (400, "The request is not valid."),
    "ROUTING_ERROR": (400, "The request could not be routed."),
    "REQUEST_TOO_LARGE": (400, "The request is larger than is allowed."),
    "PER_SECOND_THRESHOLD": (429, "HTTP requests are more than allowed per second"),
    "DAILY_THRESHOLD": (429, "Daily API request threshold has been reached"),
    "GENERAL_ERROR": (500, "General error."),
    # The simulator's own: https://www.rfc-editor.org/rfc/rfc9110#name-421-misdirected-request
    "WRONG_HOST": (
        421,
        "The simulator was not started for the host that this request names: add --allow-host.",
    ),
    "CROSS_SITE": (403, "The simulator takes no requests from web pages of other sites."),
}


class GatewayRefusal(Exception):
    """An error of the gateway before Alma: a word, and XML whatever was asked for."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.status, self.text = GATEWAY_TEXTS[code]
        super().__init__(code)

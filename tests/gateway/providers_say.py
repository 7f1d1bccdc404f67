"""What providers say of too many calls a minute, and of an account without money."""

from __future__ import annotations


def openai_error(message, type_=None, code=None):
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


GROQ = openai_error(
    "Rate limit reached for model `llama` in organization `org_1` service tier `on_demand` on tokens per minute (TPM): Limit "
    "6000, Used 5800, Requested 400. Please try again in {delay}s. Need more tokens? Upgrade to Dev Tier today at "
    "https://console.groq.com/settings/billing",
    "tokens",
    "rate_limit_exceeded",
)
OPENAI = openai_error(
    "Rate limit reached for gpt-4o in organization org-1 on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try "
    "again in {delay}s. Visit https://platform.openai.com/account/rate-limits to learn more. You can increase your rate limit "
    "by adding a payment method to your account at https://platform.openai.com/account/billing.",
    "requests",
    "rate_limit_exceeded",
)
GEMINI = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. Please retry in {delay}s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [
                    {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "15"}
                ],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "{delay}s"},
        ],
    }
}
GEMINI_DAY = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details. Please retry in 26s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [
                    {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "200"}
                ],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "26s"},
        ],
    }
}
AZURE = {
    "error": {
        "code": "429",
        "message": "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-06-01 have exceeded "
        "token rate limit of your current OpenAI S0 pricing tier. Please retry after {delay} seconds. Please go here: "
        "https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit.",
    }
}
ANTHROPIC = {
    "type": "error",
    "error": {
        "type": "rate_limit_error",
        "message": "This request would exceed your organization's rate limit of 50 requests per minute. For details, refer to: "
        "https://docs.anthropic.com/en/api/rate-limits. You can contact sales to discuss your options for a billing increase.",
    },
}
BEDROCK = {"message": "Too many requests, please wait before trying again."}
LIMITS = {
    "groq": GROQ,
    "openai": OPENAI,
    "gemini": GEMINI,
    "azure": AZURE,
    "anthropic": ANTHROPIC,
    "bedrock": BEDROCK,
}


SPENT = {
    "openai": (
        429,
        openai_error(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
    ),
    "a server without codes": (429, {"error": {"message": "insufficient quota: top up your account"}}),
    "anthropic": (
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
            },
        },
    ),
    "gemini's free tier of a day": (429, GEMINI_DAY),
    "moonshot": (
        429,
        openai_error(
            "Your account org-1 is suspended, please check your plan and billing details",
            "exceeded_current_quota_error",
        ),
    ),
    "payment required": (402, {"error": {"message": "Insufficient Balance"}}),
}

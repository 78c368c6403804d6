"""Why input is not accepted: one code per reason, the same at ingest, import, bridge and decode.

Codes are for ever: dead letters in the log carry them. The tables in ``docs/events.md`` are derived from here.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A reason code; ``title_zh`` and ``title_en`` say in one line what it means."""

    title_zh: str
    title_en: str

    def __new__(cls, code: str, title_zh: str, title_en: str) -> Reason:
        reason = str.__new__(cls, code)
        reason._value_ = code
        reason.title_zh = title_zh
        reason.title_en = title_en
        return reason

    INVALID_JSON = "invalid_json", "不是合法的 JSON", "not well-formed JSON"
    INVALID_UTF8 = "invalid_utf8", "不是合法的 UTF-8 编码", "not valid UTF-8"
    DUPLICATE_KEY = "duplicate_key", "同一 JSON 对象中键重复", "the same JSON key twice in one object"
    NOT_FINITE = "not_finite", "数值为 NaN 或无穷大", "a number is NaN or infinite"
    NOT_AN_OBJECT = "not_an_object", "事件或其 data 不是 JSON 对象", "the event or its data is not a JSON object"
    TOO_LARGE = "too_large", "事件超过大小上限", "the event is larger than allowed"
    UNSUPPORTED_CONTENT_TYPE = (
        "unsupported_content_type",
        "不支持的内容类型",
        "the content type is neither CloudEvents JSON nor JSON data",
    )
    INVALID_ENCODING = (
        "invalid_encoding",
        "内容压缩损坏、不受支持或解压后超限",
        "the content encoding is broken, unsupported or unpacks to more than allowed",
    )
    MISSING_ATTRIBUTE = "missing_attribute", "缺少必需的事件属性", "a required event attribute is missing"
    INVALID_ATTRIBUTE = "invalid_attribute", "事件属性类型、长度或字符不合法", "an event attribute is malformed"
    UNSUPPORTED_SPECVERSION = (
        "unsupported_specversion",
        "CloudEvents 版本不是 1.0",
        "the CloudEvents version is not 1.0",
    )
    UNKNOWN_TYPE = "unknown_type", "未知的事件类型", "no such event type"
    UNSUPPORTED_VERSION = "unsupported_version", "该事件类型没有此版本", "the event type has no such version"
    NAIVE_TIME = "naive_time", "时间缺少时区", "the time has no UTC offset"
    INVALID_TIME = "invalid_time", "时间不是 RFC 3339 格式或超出范围", "the time is not RFC 3339 or out of range"
    TIME_AHEAD = "time_ahead", "事件时间超前于记录时间", "the event time lies too far ahead of the recorded time"
    INVALID_SCOPE = "invalid_scope", "范围路径格式错误", "the scope path is malformed"
    UNKNOWN_SCOPE = "unknown_scope", "未登记的范围", "the scope is not registered"
    SCOPE_NOT_ALLOWED = "scope_not_allowed", "密钥无权写入该范围", "the key may not write in this scope"
    TYPE_NOT_ALLOWED = "type_not_allowed", "不得从外部发送此类事件", "this type is not accepted from outside"
    INVALID_DATA = "invalid_data", "data 不符合该类型的模型", "the data does not fit the type's model"
    WRONG_UNIT = "wrong_unit", "单位与所测量不符", "the unit is not the quantity's unit"
    IMPOSSIBLE_VALUE = "impossible_value", "数值不可能出现", "the value lies outside what is possible"
    INVALID_ROW = "invalid_row", "导入文件的行无法映射为事件", "a row of an imported file can't be mapped to an event"

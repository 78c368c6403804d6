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

    invalid_json = "invalid_json", "不是合法的 JSON", "not well-formed JSON"
    invalid_utf8 = "invalid_utf8", "不是合法的 UTF-8 编码", "not valid UTF-8"
    duplicate_key = "duplicate_key", "同一 JSON 对象中键重复", "the same JSON key twice in one object"
    not_finite = "not_finite", "数值为 NaN 或无穷大", "a number is NaN or infinite"
    not_an_object = "not_an_object", "事件或其 data 不是 JSON 对象", "the event or its data is not a JSON object"
    too_large = "too_large", "事件超过大小上限", "the event is larger than allowed"
    unsupported_content_type = (
        "unsupported_content_type",
        "不支持的内容类型",
        "the content type is neither CloudEvents JSON nor JSON data",
    )
    invalid_encoding = (
        "invalid_encoding",
        "内容压缩损坏、不受支持或解压后超限",
        "the content encoding is broken, unsupported or unpacks to more than allowed",
    )
    missing_attribute = "missing_attribute", "缺少必需的事件属性", "a required event attribute is missing"
    invalid_attribute = "invalid_attribute", "事件属性类型、长度或字符不合法", "an event attribute is malformed"
    unsupported_specversion = (
        "unsupported_specversion",
        "CloudEvents 版本不是 1.0",
        "the CloudEvents version is not 1.0",
    )
    unknown_type = "unknown_type", "未知的事件类型", "no such event type"
    unsupported_version = "unsupported_version", "该事件类型没有此版本", "the event type has no such version"
    naive_time = "naive_time", "时间缺少时区", "the time has no UTC offset"
    invalid_time = "invalid_time", "时间不是 RFC 3339 格式或超出范围", "the time is not RFC 3339 or out of range"
    time_ahead = "time_ahead", "事件时间超前于记录时间", "the event time lies too far ahead of the recorded time"
    invalid_scope = "invalid_scope", "范围路径格式错误", "the scope path is malformed"
    unknown_scope = "unknown_scope", "未登记的范围", "the scope is not registered"
    scope_not_allowed = "scope_not_allowed", "密钥无权写入该范围", "the key may not write in this scope"
    type_not_allowed = "type_not_allowed", "不得从外部发送此类事件", "this type is not accepted from outside"
    invalid_data = "invalid_data", "data 不符合该类型的模型", "the data does not fit the type's model"
    wrong_unit = "wrong_unit", "单位与所测量不符", "the unit is not the quantity's unit"
    impossible_value = "impossible_value", "数值不可能出现", "the value lies outside what is possible"
    invalid_row = "invalid_row", "导入文件的行无法映射为事件", "a row of an imported file can't be mapped to an event"

from __future__ import annotations

import pytest
from google.protobuf.descriptor import EnumDescriptor

from ringline import enums
from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb

CONTRACT = {**calls.DESCRIPTOR.enum_types_by_name, **pb.DESCRIPTOR.enum_types_by_name}

OURS = {name: kind for name, kind in vars(enums).items() if isinstance(kind, type) and issubclass(kind, enums._Enum)}


@pytest.mark.parametrize("name", CONTRACT)
def test_an_enum_has_the_contracts_values(name: str) -> None:
    contract: EnumDescriptor = CONTRACT[name]
    prefix = contract.values_by_number[0].name.removesuffix("UNSPECIFIED")
    assert {value.name.removeprefix(prefix): value.number for value in contract.values} == {
        value.name: value.value for value in OURS[name]
    }


def test_there_are_no_other_enums() -> None:
    assert set(OURS) - {"_Enum"} == set(CONTRACT)


def test_a_value_that_a_newer_server_sends_is_a_value_with_a_name() -> None:
    unknown = enums.CallState(17)
    assert isinstance(unknown, enums.CallState)
    assert (unknown.name, int(unknown), str(unknown)) == ("UNKNOWN(17)", 17, "UNKNOWN(17)")
    assert unknown == enums.CallState(17)
    assert unknown not in list(enums.CallState)

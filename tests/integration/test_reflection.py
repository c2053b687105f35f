"""gRPC's server reflection, in both of its versions: whatever is listed is found, down to every type it names."""

import grpc
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from server import PATIENCE_S

SERVICES = {"batucada.v1.Inference", "inference.GRPCInferenceService", "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}


@pytest.fixture
def channel(fast):
    with grpc.insecure_channel(f"127.0.0.1:{fast.grpc_port}") as channel:
        yield channel


@pytest.fixture(params=["v1", "v1alpha"])
def ask(channel, request):
    """function of a request's members that gives the response. Both versions have the same bytes."""
    call = channel.stream_stream(f"/grpc.reflection.{request.param}.ServerReflection/ServerReflectionInfo",
                                 request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                                 response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)

    def ask(**members):
        [response] = call(iter([reflection_pb2.ServerReflectionRequest(**members)]), timeout=PATIENCE_S)
        return response
    return ask


def files(response):
    found = [descriptor_pb2.FileDescriptorProto.FromString(file)
             for file in response.file_descriptor_response.file_descriptor_proto]
    assert found, response
    return found


def symbols(file):
    """Every name that the file defines."""
    def within(prefix, messages):
        for message in messages:
            name = f"{prefix}{message.name}"
            yield name
            yield from (f"{name}.{field.name}" for field in message.field)
            yield from (f"{name}.{enum.name}" for enum in message.enum_type)
            yield from within(f"{name}.", message.nested_type)
    package = f"{file.package}."
    yield from within(package, file.message_type)
    yield from (f"{package}{enum.name}" for enum in file.enum_type)
    for service in file.service:
        yield f"{package}{service.name}"
        yield from (f"{package}{service.name}.{method.name}" for method in service.method)


def test_everything_listed_is_found(ask):
    listed = {service.name for service in ask(list_services="").list_services_response.service}
    assert listed == SERVICES
    for service in listed:
        file = files(ask(file_containing_symbol=service))[-1]
        assert service in {f"{file.package}.{s.name}" for s in file.service}
        assert files(ask(file_by_filename=file.name))[-1] == file
        for symbol in symbols(file):
            assert files(ask(file_containing_symbol=symbol))[-1].name == file.name, symbol
        extensions = ask(all_extension_numbers_of_type=next(symbols(file))).all_extension_numbers_response
        assert list(extensions.extension_number) == []


def test_what_is_not_there(ask):
    for members in ({"file_containing_symbol": "no.such"}, {"file_by_filename": "no.proto"}, {"all_extension_numbers_of_type": "x"},
                    {"file_containing_extension": {"containing_type": "x", "extension_number": 1}}):
        response = ask(host="here", **members)
        assert response.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
        assert response.valid_host == "here" and response.original_request.host == "here"
    assert ask().error_response.error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_questions_on_one_call_are_answered_in_order(channel):
    call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                 request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                                 response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
    hosts = [str(i) for i in range(200)]
    questions = (reflection_pb2.ServerReflectionRequest(host=host, file_containing_symbol="batucada.v1.Inference") for host in hosts)
    assert [response.valid_host for response in call(questions, timeout=PATIENCE_S)] == hosts


def test_a_client_can_call_what_it_knows_by_reflection_alone(channel):
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    service = pool.FindServiceByName("batucada.v1.Inference")
    method = service.FindMethodByName("Complete")
    request = GetMessageClass(method.input_type)(text="Call me", max_tokens=3)
    call = channel.unary_unary("/batucada.v1.Inference/Complete", request_serializer=lambda message: message.SerializeToString(),
                               response_deserializer=GetMessageClass(method.output_type).FromString)
    assert call(request, timeout=PATIENCE_S).usage.completion_tokens == 3

// gRPC's server reflection, v1 and the v1alpha that older clients ask (proto/grpc/reflection): what can be called, and
// every type that this takes, from the descriptors that Protobuf's compiler left in the program.
//
// Both versions carry the same bytes; only their package's name differs.
#include <array>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include "base/json.h"
#include "batucada/v1/batucada.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "inference/open_inference.pb.h"
#include "server/grpc/methods.h"

namespace batucada {
namespace {

namespace reflection = grpc::reflection::v1;
using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

// The files of the services that there are. A descriptor is known once its file's code is linked in, which naming a
// message of each sees to.
const std::vector<const FileDescriptor*>& ServiceFiles() {
  static const std::vector<const FileDescriptor*> files = {
      v1::GenerateRequest::descriptor()->file(), inference::ModelInferRequest::descriptor()->file(),
      grpc::health::v1::HealthCheckRequest::descriptor()->file(),
      reflection::ServerReflectionRequest::descriptor()->file(),
      grpc::reflection::v1alpha::ServerReflectionRequest::descriptor()->file()};
  return files;
}

constexpr MessageBounds kBounds = {.bytes = 64 << 10, .parts = 64, .numbers = 64};

// `file` behind what it imports.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>* seen,
             reflection::FileDescriptorResponse* response) {
  if (!seen->insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), seen, response);
  google::protobuf::FileDescriptorProto description;
  file.CopyTo(&description);
  description.SerializeToString(response->add_file_descriptor_proto());
}

class ReflectionCall : public CallHandler {
 public:
  using CallHandler::CallHandler;

  void OnMessage(WireMessage message) override {
    reflection::ServerReflectionRequest request;
    if (const absl::Status status = DecodeMessage(message, kBounds, &request); !status.ok()) {
      return call().Finish(status);
    }
    // An answer is a thousand times a question's size: the next question waits until it is taken.
    call().PauseReading();
    call().Send(Answer(request));
  }
  void OnDrained() override { call().ResumeReading(); }
  void OnEnd() override { call().Finish(absl::OkStatus()); }
  bool idle() const override { return true; }

 private:
  using Request = reflection::ServerReflectionRequest;
  using Response = reflection::ServerReflectionResponse;

  static Response Answer(const Request& request) {
    const DescriptorPool& pool = *DescriptorPool::generated_pool();
    Response response;
    response.set_valid_host(request.host());
    *response.mutable_original_request() = request;
    switch (request.message_request_case()) {
      case Request::kFileByFilename:
        AnswerFile(pool.FindFileByName(request.file_by_filename()), request.file_by_filename(), &response);
        break;
      case Request::kFileContainingSymbol:
        AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), request.file_containing_symbol(),
                   &response);
        break;
      case Request::kFileContainingExtension: AnswerExtension(pool, request, &response); break;
      case Request::kAllExtensionNumbersOfType: AnswerExtensionNumbers(pool, request, &response); break;
      case Request::kListServices:
        for (const FileDescriptor* file : ServiceFiles()) {
          for (int i = 0; i < file->service_count(); ++i) {
            response.mutable_list_services_response()->add_service()->set_name(file->service(i)->full_name());
          }
        }
        break;
      case Request::MESSAGE_REQUEST_NOT_SET:
        SetError(absl::StatusCode::kInvalidArgument, "the request asks for nothing: set one of message_request",
                 &response);
        break;
    }
    return response;
  }

  static void AnswerFile(const FileDescriptor* file, const std::string& what, Response* response) {
    if (file == nullptr) return SetMissing(what, response);
    std::set<const FileDescriptor*> seen;
    AddFile(*file, &seen, response->mutable_file_descriptor_response());
  }

  static void AnswerExtension(const DescriptorPool& pool, const Request& request, Response* response) {
    const auto& asked = request.file_containing_extension();
    const auto* type = pool.FindMessageTypeByName(asked.containing_type());
    const auto* extension = type == nullptr ? nullptr : pool.FindExtensionByNumber(type, asked.extension_number());
    AnswerFile(extension == nullptr ? nullptr : extension->file(), asked.containing_type(), response);
  }

  static void AnswerExtensionNumbers(const DescriptorPool& pool, const Request& request, Response* response) {
    const std::string& name = request.all_extension_numbers_of_type();
    const auto* type = pool.FindMessageTypeByName(name);
    if (type == nullptr) return SetMissing(name, response);
    response->mutable_all_extension_numbers_response()->set_base_type_name(name);
    std::vector<const google::protobuf::FieldDescriptor*> extensions;
    pool.FindAllExtensions(type, &extensions);
    for (const auto* extension : extensions) {
      response->mutable_all_extension_numbers_response()->add_extension_number(extension->number());
    }
  }

  static void SetMissing(const std::string& what, Response* response) {
    SetError(absl::StatusCode::kNotFound, fmt::format("there is no {}", Printable(what)), response);
  }

  static void SetError(absl::StatusCode code, const std::string& message, Response* response) {
    response->mutable_error_response()->set_error_code(static_cast<int32_t>(code));
    response->mutable_error_response()->set_error_message(message);
  }
};

}  // namespace

void AddReflectionMethods(GrpcMethods* methods) {
  for (const char* version : {"v1", "v1alpha"}) {
    methods->emplace(fmt::format("/grpc.reflection.{}.ServerReflection/ServerReflectionInfo", version),
                     GrpcMethod{.name = "ServerReflectionInfo",
                                .api = "grpc.reflection",
                                .access = GrpcMethod::Access::kKey,
                                .requests = GrpcMethod::Requests::kStream,
                                .start = [](Call& call) -> std::shared_ptr<CallHandler> {
                                  return std::make_shared<ReflectionCall>(call);
                                }});
  }
}

}  // namespace batucada

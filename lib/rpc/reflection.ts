import {
  createRegistry,
  type DescExtension,
  type DescFile,
  type DescService,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from "../../gen/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/reflection/v1alpha/reflection_pb.ts";
import type { RoutedService } from "./routes.ts";

/**
 * Server reflection, by which `buf curl` and grpcurl call this server without a
 * schema. Both versions, because evans and older tools know v1alpha only; their
 * messages are the same but for the package. Needs no token: the contract is no
 * secret.
 *
 * `served` is read anew for each answer.
 */
export function reflection(served: () => readonly DescService[]): RoutedService {
  return {
    routes: (router) => {
      router.service(ServerReflection, { serverReflectionInfo: (requests) => answers(served(), requests) });
      router.service(ServerReflectionAlpha, {
        // The same messages by another type name, which is all that the types know.
        serverReflectionInfo: (requests) =>
          answers(served(), requests as AsyncIterable<never>) as AsyncIterable<object>,
      });
    },
    access: { [ServerReflection.typeName]: "open", [ServerReflectionAlpha.typeName]: "open" },
    check: async () => undefined,
  };
}

type Response = MessageInitShape<typeof ServerReflectionResponseSchema>;
type Answer = NonNullable<Response["messageResponse"]>;

async function* answers(
  services: readonly DescService[],
  requests: AsyncIterable<ServerReflectionRequest>,
): AsyncGenerator<Response> {
  const files = withImports(services.map(({ file }) => file));
  for await (const request of requests) {
    const { host, messageRequest } = request;
    yield {
      validHost: host,
      originalRequest: { host, messageRequest },
      messageResponse: answer(services, files, messageRequest),
    };
  }
}

function answer(
  services: readonly DescService[],
  files: readonly DescFile[],
  asked: ServerReflectionRequest["messageRequest"],
): Answer {
  const registry = createRegistry(...files);
  switch (asked.case) {
    case "listServices":
      return {
        case: "listServicesResponse",
        value: { service: services.map(({ typeName }) => ({ name: typeName })) },
      };
    case "fileByFilename":
      return fileAnswer(files.find(({ proto }) => proto.name === asked.value));
    case "fileContainingSymbol":
      return fileAnswer(fileOfSymbol(registry, asked.value));
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      const extension = extensionsOf(registry, containingType).find(
        ({ number }) => number === extensionNumber,
      );
      return fileAnswer(extension?.file);
    }
    case "allExtensionNumbersOfType": {
      if (registry.getMessage(asked.value) === undefined) return unknown;
      const extensionNumber = extensionsOf(registry, asked.value).map(({ number }) => number);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: asked.value, extensionNumber } };
    }
    default:
      return errorAnswer(Code.InvalidArgument, "the request asks for nothing");
  }
}

type Registry = ReturnType<typeof createRegistry>;

/** A symbol is a type, a service, an extension, or a member of one of them. */
function fileOfSymbol(registry: Registry, symbol: string): DescFile | undefined {
  const type = registry.get(symbol);
  if (type !== undefined) return type.file;
  const dot = symbol.lastIndexOf(".");
  const owner = registry.get(symbol.slice(0, dot));
  const member = symbol.slice(dot + 1);
  if (owner?.kind === "service")
    return owner.methods.some(({ name }) => name === member) ? owner.file : undefined;
  if (owner?.kind === "message")
    return owner.members.some(({ name }) => name === member) ? owner.file : undefined;
  if (owner?.kind === "enum")
    return owner.values.some(({ name }) => name === member) ? owner.file : undefined;
  return undefined;
}

function extensionsOf(registry: Registry, typeName: string): DescExtension[] {
  return [...registry]
    .filter((type) => type.kind === "extension")
    .filter(({ extendee }) => extendee.typeName === typeName);
}

const unknown = errorAnswer(Code.NotFound, "no such file or symbol is served here");

/** The file and all that it imports, so that a client need not ask for each. */
function fileAnswer(file: DescFile | undefined): Answer {
  if (file === undefined) return unknown;
  const fileDescriptorProto = withImports([file]).map(({ proto }) =>
    toBinary(FileDescriptorProtoSchema, proto),
  );
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function errorAnswer(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/** Files and, after each, what it imports, directly or not; each once. */
function withImports(files: readonly DescFile[]): DescFile[] {
  const found = new Set<DescFile>();
  const visit = (file: DescFile): void => {
    if (found.has(file)) return;
    found.add(file);
    file.dependencies.forEach(visit);
  };
  files.forEach(visit);
  return [...found];
}

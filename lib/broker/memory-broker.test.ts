import { brokerSuite } from "./broker.suite.ts";
import { MemoryBroker } from "./memory-broker.ts";

brokerSuite("memory broker", async () => new MemoryBroker());

import { defineConfig } from "vitest/config";

const unit = [
  "lib/**/*.test.ts",
  "services/**/*.test.ts",
  "cli/**/*.test.ts",
  "sdk/typescript/**/*.test.ts",
  "test/*.test.ts",
];

export default defineConfig({
  test: {
    reporters: ["default", "./test/support/closing-line-reporter.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // `npm run coverage`: each line of the core is reached by an example, not by chance.
    coverage: {
      include: ["services/scheduler/core/**/*.ts"],
      reporter: [["text", { skipFull: true }]],
      thresholds: { lines: 100 },
    },
    projects: [
      { extends: true, test: { name: "unit", include: unit } },
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: "./test/support/global-setup.ts",
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", "test/chaos/**/*.test.ts"],
          globalSetup: "./test/support/global-setup.ts",
          fileParallelism: false,
          testTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: "simulation",
          include: ["test/simulation/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 300_000,
        },
      },
    ],
  },
});

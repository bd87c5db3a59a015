import { z } from "zod";
import { type HttpRoute, httpRoute } from "../../http/route.ts";

const text = "User-agent: *\nDisallow: /";

/** `GET /robots.txt`: search engines find nothing here. */
export function robots(): HttpRoute {
  return httpRoute({
    method: "GET",
    path: "/robots.txt",
    access: "open",
    tag: "Server",
    summary: "Keeps search engines away",
    style: "waldiez",
    responses: {
      200: { description: "They may look at nothing.", schema: z.literal(text), contentType: "text/plain" },
    },
    handle: async () => ({ status: 200, body: text }),
  });
}

import { expect, test } from "vitest";
import type { CallSummary } from "../../api/types";
import { csv } from "./export";

test("calls as CSV: quoted where needed, nothing that a spreadsheet runs", () => {
  const call = { id: "1", at: 0, op: "chat", model: '=cmd("x")', server: "a,b", from: "desk", outcome: "ok", total_ms: 1.5, attempts: 2 } as CallSummary;
  const [head, row] = csv([call]).split("\r\n");
  expect(head).toContain("id,at,op,model,server");
  expect(row).toBe(`1,1970-01-01T00:00:00.000Z,chat,"'=cmd(""x"")","a,b",,desk,,ok,,,1.5,,2,`);
});

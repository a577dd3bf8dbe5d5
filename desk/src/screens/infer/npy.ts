// .npy files by way of the API, which reads and writes the format.

import { postRaw } from "../../api/client";
import { saveFile } from "../../lib/clipboard";
import { flatten, type Tensor } from "./tensors";

export async function readNpy(file: Blob, name: string): Promise<Tensor> {
  const response = await postRaw("npy/read", file, "application/octet-stream");
  const { datatype, shape, data, raw } = (await response.json()) as Omit<Tensor, "name">;
  return { name, datatype, shape, data: raw == null ? flatten(data) : [], raw };
}

export async function saveNpy(tensor: Tensor): Promise<void> {
  const { datatype, shape, data, raw } = tensor;
  const response = await postRaw("npy/write", JSON.stringify({ datatype, shape, ...(raw == null ? { data } : { raw }) }), "application/json");
  saveFile(`${tensor.name.replace(/[^\w.-]+/g, "_")}.npy`, await response.arrayBuffer(), "application/octet-stream");
}

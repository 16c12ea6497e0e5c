import type { VmModel } from './vm-model.ts';

/** The parameters of a route about a VM. */
export function named({ name }: Pick<VmModel, 'name'>): { readonly parameters: { readonly vm: string } } {
  return { parameters: { vm: name } };
}

/** A signal, where there is one. */
export function until(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

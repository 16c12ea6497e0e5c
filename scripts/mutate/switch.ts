/** Which mutant is in force, for code that was mutated (`mutants.ts`); and which ones are met. */

declare global {
  var kelpieMutant: (id: number) => boolean;
}

let inForce = -1;
let met: Set<number> | null = null;

globalThis.kelpieMutant = (id) => {
  met?.add(id);
  return id === inForce;
};

/** From here on that one is; null: none. */
export function force(id: number | null): void {
  inForce = id ?? -1;
}

/** Notes the ids that are met while `act` runs. */
export async function meeting(act: () => Promise<void>): Promise<ReadonlySet<number>> {
  const seen = new Set<number>();
  met = seen;
  try {
    await act();
  } finally {
    met = null;
  }
  return seen;
}

/** "Did you mean": the known word that is nearest to one that was not found. */

/**
 * The candidate with the fewest single-character edits (Levenshtein) from `word`, ignoring case; null when even that one
 * differs in more than half of its characters, or when there is none.
 */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let fewest = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const edits = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest && edits <= candidate.length / 2) {
      best = candidate;
      fewest = edits;
    }
  }
  return best;
}

/** Up to `count` candidates that `word` may mean, the likeliest first: few edits away, or beginning with it. */
export function nearestFew(word: string, candidates: readonly string[], count: number): string[] {
  const sought = word.toLowerCase();
  const edits = new Map(
    candidates.map((candidate) => {
      const text = candidate.toLowerCase();
      const isBegun = sought.length > 2 && text.startsWith(sought);
      return [candidate, isBegun ? 1 : editDistance(sought, text)] as const;
    }),
  );
  const near = candidates.filter((candidate) => (edits.get(candidate) ?? 0) <= candidate.length / 3);
  return near.sort((a, b) => (edits.get(a) ?? 0) - (edits.get(b) ?? 0)).slice(0, count);
}

/** The end of a not-found sentence: the known words and, where one is near, which was probably meant. */
export function suggest(word: string, candidates: readonly string[]): string {
  const meant = nearest(word, candidates);
  const known = candidates.length > 0 ? `known: ${candidates.join(', ')}` : 'none is known';
  return meant === null ? known : `${known}; did you mean ${meant}?`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

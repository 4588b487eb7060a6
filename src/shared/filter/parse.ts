/**
 * Reads a filter as a person types it:
 *
 *   method = quantize and (target = "bismo-cloud" or latencyMs < 78) and star
 *
 *   or, and (which may be left out), not, parentheses; = != < <= > >=, ~ (contains), in (a, b); a flag alone (star); a word or a
 *   quoted text alone is looked for in what names a run. Names and keywords in any case, 90% is 0.9, dates as 2026-11-25.
 *
 * The grammar is chevrotain's; what its words mean (is there such a field, can it be compared so) is checked behind it. Every
 * error knows its place.
 */
import { createToken, EmbeddedActionsParser, EOF, Lexer, type IToken, type ParserMethod, type TokenType } from 'chevrotain';
import { nearest, suggest } from '../nearest.ts';
import { findField, runFieldNameSchema, runFields, type RunFieldName } from './fields.ts';
import type { Comparison, Filter, FilterValue } from './filter.ts';

/** Longest filter that is read. */
export const maximumFilterLength = 2000;

/** Deepest nesting of parentheses and negations: what reads and applies a filter is recursive. */
const maximumDepth = 50;

/** What is wrong with a filter, and where: a place in the text, from 0, and how many characters. */
export class FilterError extends Error {
  readonly offset: number;
  readonly length: number;

  constructor(message: string, offset: number, length: number) {
    super(message);
    this.name = 'FilterError';
    this.offset = offset;
    this.length = Math.max(1, length);
  }
}

const word = createToken({ name: 'a word', pattern: /[^\s()"=<>!~,]+/ });
const keyword = (name: string): TokenType => createToken({ name: `“${name}”`, pattern: new RegExp(name, 'i'), longer_alt: word });
const [or, and, not, isIn] = [keyword('or'), keyword('and'), keyword('not'), keyword('in')];
const quoted = createToken({ name: 'a quoted text', pattern: /"(?:[^"\\]|\\[\s\S])*"/, line_breaks: true });
const operator = createToken({ name: 'a comparison', pattern: /!=|<=|>=|[=<>~]/ });
const open = createToken({ name: '“(”', pattern: /\(/ });
const close = createToken({ name: '“)”', pattern: /\)/ });
const comma = createToken({ name: '“,”', pattern: /,/ });
const space = createToken({ name: 'space', pattern: /\s+/, group: Lexer.SKIPPED, line_breaks: true });
const vocabulary = [space, or, and, not, isIn, word, quoted, operator, open, close, comma];
const lexer = new Lexer(vocabulary, { positionTracking: 'onlyOffset' });

/** As the grammar sees it: words that are not yet understood. */
type Raw =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Raw[] }
  | { readonly kind: 'not'; readonly of: Raw }
  | { readonly kind: 'compare'; readonly field: IToken; readonly operator: IToken; readonly value: IToken }
  | { readonly kind: 'in'; readonly field: IToken; readonly values: readonly IToken[] }
  | { readonly kind: 'lone'; readonly token: IToken };

class Grammar extends EmbeddedActionsParser {
  constructor() {
    super(vocabulary, { recoveryEnabled: false, maxLookahead: 2, skipValidations: true }); // the tests read all of it
    this.performSelfAnalysis();
  }

  readonly filter: ParserMethod<[], Raw> = this.RULE('filter', () => {
    const of = [this.SUBRULE(this.conjunction)];
    this.MANY(() => {
      this.CONSUME(or);
      of.push(this.SUBRULE2(this.conjunction));
    });
    return joined('any', of);
  });

  private readonly conjunction: ParserMethod<[], Raw> = this.RULE('conjunction', () => {
    const of = [this.SUBRULE(this.negation)];
    this.MANY(() => {
      this.OPTION(() => this.CONSUME(and));
      of.push(this.SUBRULE2(this.negation));
    });
    return joined('all', of);
  });

  private readonly negation: ParserMethod<[], Raw> = this.RULE('negation', (): Raw =>
    this.OR([
      {
        ALT: (): Raw => {
          this.CONSUME(not);
          return { kind: 'not', of: this.SUBRULE(this.negation) };
        },
      },
      {
        ALT: (): Raw => {
          this.CONSUME(open);
          const inner = this.SUBRULE(this.filter);
          this.CONSUME(close);
          return inner;
        },
      },
      { ALT: (): Raw => ({ kind: 'lone', token: this.CONSUME(quoted) }) },
      { ALT: (): Raw => this.SUBRULE(this.question) },
    ]),
  );

  private readonly question: ParserMethod<[], Raw> = this.RULE('question', (): Raw => {
    const field = this.CONSUME(word);
    return (
      this.OPTION<Raw>(() =>
        this.OR([
          { ALT: (): Raw => ({ kind: 'compare', field, operator: this.CONSUME(operator), value: this.SUBRULE(this.value) }) },
          {
            ALT: (): Raw => {
              this.CONSUME(isIn);
              this.CONSUME(open);
              const values: IToken[] = [];
              this.AT_LEAST_ONE_SEP({ SEP: comma, DEF: () => values.push(this.SUBRULE2(this.value)) });
              this.CONSUME(close);
              return { kind: 'in', field, values };
            },
          },
        ]),
      ) ?? { kind: 'lone', token: field }
    );
  });

  private readonly value: ParserMethod<[], IToken> = this.RULE('value', () =>
    this.OR([{ ALT: () => this.CONSUME(word) }, { ALT: () => this.CONSUME(quoted) }]),
  );
}

const grammar = new Grammar();

/** The filter; null for a text that is empty. Throws a FilterError. */
export function parseFilter(text: string): Filter | null {
  if (text.length > maximumFilterLength) {
    throw new FilterError(`a filter has at most ${maximumFilterLength} characters, found ${text.length}`, maximumFilterLength, 1);
  }
  const { tokens, errors } = lexer.tokenize(text);
  const [unreadable] = errors;
  if (unreadable) {
    const isOpen = text.charAt(unreadable.offset) === '"';
    throw new FilterError(
      isOpen
        ? 'this quoted text has no end: close it with "'
        : `“${text.charAt(unreadable.offset)}” means nothing here; did you mean “not” or “!=”?`,
      unreadable.offset,
      isOpen ? text.length - unreadable.offset : 1,
    );
  }
  if (tokens.length === 0) return null;
  requireShallow(tokens);
  grammar.input = tokens;
  const raw = grammar.filter();
  const [misplaced] = grammar.errors;
  if (misplaced) throw placeError(misplaced.token, text);
  return meaningOf(raw);
}

function requireShallow(tokens: readonly IToken[]): void {
  let depth = 0;
  for (const { tokenType, startOffset } of tokens) {
    if (tokenType === open || tokenType === not) depth += 1;
    else if (tokenType === close) depth -= 1;
    if (depth > maximumDepth)
      throw new FilterError(`more than ${maximumDepth} parentheses and negations lie in each other here`, startOffset, 1);
  }
}

function placeError(token: IToken, text: string): FilterError {
  if (token.tokenType === EOF) {
    const openLeft = (text.match(/\(/g)?.length ?? 0) > (text.match(/\)/g)?.length ?? 0);
    return new FilterError(
      openLeft
        ? 'the filter ends here with a parenthesis open: close it with )'
        : 'the filter ends here: a value or a condition is missing',
      text.length,
      1,
    );
  }
  const expected =
    token.tokenType === close
      ? 'there is no open parenthesis for it, or a condition is missing before it'
      : 'a condition is missing before it, or it is misplaced';
  return new FilterError(`“${token.image}” cannot stand here: ${expected}`, token.startOffset, token.image.length);
}

function joined(kind: 'all' | 'any', of: readonly Raw[]): Raw {
  const [first] = of;
  return of.length === 1 && first !== undefined ? first : { kind, of };
}

function meaningOf(raw: Raw): Filter {
  switch (raw.kind) {
    case 'all':
    case 'any':
      return { kind: raw.kind, of: raw.of.map(meaningOf) };
    case 'not':
      return { kind: 'not', of: meaningOf(raw.of) };
    case 'lone':
      return loneMeaning(raw.token);
    case 'in': {
      const field = requireField(raw.field);
      requireComparable(field, raw.field);
      return { kind: 'in', field, values: raw.values.map((token) => valueOf(field, token)) };
    }
    case 'compare':
      return comparisonMeaning(raw.field, raw.operator, raw.value);
  }
}

function loneMeaning(token: IToken): Filter {
  if (token.tokenType === quoted) return { kind: 'words', text: textOf(token) };
  const field = findField(token.image);
  if (field === null) return { kind: 'words', text: token.image };
  if (runFields[field].kind === 'flag') return { kind: 'flag', field };
  throw new FilterError(
    `${field} needs a comparison, such as ${exampleOf(field)}; the word itself is found by "${field}"`,
    token.startOffset,
    token.image.length,
  );
}

function comparisonMeaning(name: IToken, sign: IToken, value: IToken): Filter {
  const field = requireField(name);
  const { kind } = runFields[field];
  requireComparable(field, name);
  if (sign.image === '~') {
    if (kind !== 'text' && kind !== 'list')
      throw new FilterError(`${field} is no text: ask for example ${exampleOf(field)}`, sign.startOffset, 1);
    return { kind: 'contains', field, text: textOf(value) };
  }
  const allowed: readonly string[] =
    kind === 'number' ? ['=', '!=', '<', '<=', '>', '>='] : kind === 'date' ? ['<', '<=', '>', '>='] : ['=', '!='];
  if (!allowed.includes(sign.image)) {
    throw new FilterError(
      `${field} cannot be compared by ${sign.image}: ask for example ${exampleOf(field)}`,
      sign.startOffset,
      sign.image.length,
    );
  }
  return { kind: 'compare', field, operator: sign.image as Comparison, value: valueOf(field, value) };
}

function requireField(token: IToken): RunFieldName {
  const field = findField(token.image);
  if (field !== null) return field;
  const meant = nearest(token.image, runFieldNameSchema.options);
  throw new FilterError(
    `there is no field ${token.image}; ${meant === null ? suggest(token.image, runFieldNameSchema.options) : `did you mean ${meant}?`}`,
    token.startOffset,
    token.image.length,
  );
}

function requireComparable(field: RunFieldName, token: IToken): void {
  if (runFields[field].kind !== 'flag') return;
  throw new FilterError(`${field} stands alone, or as “not ${field}”`, token.startOffset, token.image.length);
}

function exampleOf(field: RunFieldName): string {
  const values = { text: ' ~ word', list: ' = word', number: ' < 10', date: ' >= 2026-01-31', flag: '' } as const;
  return `${field}${values[runFields[field].kind]}`;
}

function textOf(token: IToken): string {
  if (token.tokenType !== quoted) return token.image;
  try {
    return String(JSON.parse(token.image.replaceAll('\n', String.raw`\n`).replaceAll('\t', String.raw`\t`)));
  } catch {
    throw new FilterError('this text has a \\ that means nothing: write \\\\ for one', token.startOffset, token.image.length);
  }
}

function valueOf(field: RunFieldName, token: IToken): FilterValue {
  const { kind } = runFields[field];
  const text = textOf(token);
  if (kind === 'text' || kind === 'list') return text;
  const value = kind === 'date' ? dateOf(text) : numberOf(text);
  if (value !== null) return value;
  const expected =
    kind === 'date' ? 'a day, such as 2026-01-31, or a time, such as 2026-01-31T18:00Z' : 'a number, or a percentage such as 90%';
  throw new FilterError(`${field}: expected ${expected}, found ${token.image}`, token.startOffset, token.image.length);
}

function numberOf(text: string): number | null {
  const [, digits, percent] = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(%?)$/i.exec(text) ?? [];
  if (digits === undefined) return null;
  const value = Number(digits) / (percent === '%' ? 100 : 1);
  return Number.isFinite(value) ? value : null;
}

/** UTC. */
function dateOf(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z)?$/.test(text)) return null;
  const value = Date.parse(text);
  return Number.isNaN(value) ? null : value;
}

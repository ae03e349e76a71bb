// The rich text editor over a <textarea>, started by static/js/compose.js.
//
// textarea: data-html (the text so far, as HTML); aria-describedby, required and its label are taken over.
// On submit the textarea's name carries the HTML and the form's field body_format says `html`.
// Keys: Ctrl/⌘ with B I U K Z Y; Ctrl+Shift with S (strike), 7 and 8 (lists), 9 (quote), 2 (heading), L E R J (alignment);
//       Ctrl with . (superscript) and , (subscript); Tab and Shift+Tab in lists and tables; Alt+F10 to the toolbar, Escape back.
// Strings (looked up with `words`): the ed_… keys in `commands` and in the two dialogs at the end of this file.
import {DOMParser as ModelParser, DOMSerializer, Slice} from 'prosemirror-model'
import {EditorState, Plugin} from 'prosemirror-state'
import {EditorView} from 'prosemirror-view'
import {baseKeymap, toggleMark} from 'prosemirror-commands'
import {keymap} from 'prosemirror-keymap'
import {closeHistory, history, redo, undo} from 'prosemirror-history'
import {inputRules, wrappingInputRule} from 'prosemirror-inputrules'
import {
  addColumnAfter, addColumnBefore, addRowAfter, addRowBefore, deleteColumn, deleteRow, deleteTable, isInTable,
  tableEditing, toggleHeaderRow,
} from 'prosemirror-tables'
import {gapCursor} from 'prosemirror-gapcursor'
import {dropCursor} from 'prosemirror-dropcursor'
import {ALIGNMENTS, nextNumber, schema} from './schema.js'
import {hrefOf} from './addresses.js'
import {autolink, linkSlice} from './autolink.js'
import {cleanPaste} from './paste.js'
import {placeholders, unfilled} from './placeholders.js'
import {
  align, hasMark, inHeading, inList, inQuote, indent, insertTable, isAligned, outdent, toggleHeading, toggleList, toggleQuote,
  writingKeys,
} from './commands.js'
import {toolbar} from './toolbar.js'

const {nodes, marks} = schema
const ALIGN_ICONS = {left: 'text-align-start', center: 'text-align-center', right: 'text-align-end', justify: 'text-align-justify'}
const ALIGN_KEYS = {left: 'L', center: 'E', right: 'R', justify: 'J'}
const MOST_ROWS = 50
const MOST_COLUMNS = 12

const parseDocument = html => ModelParser.fromSchema(schema).parse(bodyOf(html))
const bodyOf = html => new DOMParser().parseFromString(html, 'text/html').body

/** The commands with a button, a key or both. */
function commands(words, {editLink, askTable}) {
  const item = (id, icon, run, more = {}) => ({id, icon, label: words(`ed_${id}`), run, ...more})
  const mark = (id, type, keys) => item(id, id, toggleMark(type), {keys, active: hasMark(type)})
  const inTable = (id, run) => ({label: words(`ed_${id}`), run})
  const group = (id, ...items) => ({label: words(`ed_group_${id}`), items})
  return [
    group('text',
      mark('bold', marks.strong, 'Mod+B'), mark('italic', marks.em, 'Mod+I'),
      mark('underline', marks.underline, 'Mod+U'), mark('strikethrough', marks.strike, 'Mod+Shift+S'),
      mark('superscript', marks.superscript, 'Mod+.'), mark('subscript', marks.subscript, 'Mod+,')),
    group('blocks',
      item('heading', 'heading', toggleHeading, {keys: 'Mod+Shift+2', active: inHeading}),
      item('bulleted', 'list', toggleList(nodes.bullet_list), {keys: 'Mod+Shift+8', active: inList(nodes.bullet_list)}),
      item('numbered', 'list-ordered', toggleList(nodes.ordered_list), {keys: 'Mod+Shift+7', active: inList(nodes.ordered_list)}),
      item('indent', 'indent-increase', indent, {enabled: state => indent(state)}),
      item('outdent', 'indent-decrease', outdent, {enabled: state => outdent(state)}),
      item('quote', 'quote', toggleQuote, {keys: 'Mod+Shift+9', active: inQuote})),
    group('alignment', ...ALIGNMENTS.map(side =>
      item(`align_${side}`, ALIGN_ICONS[side], align(side), {keys: `Mod+Shift+${ALIGN_KEYS[side]}`, active: isAligned(side)}))),
    group('insert',
      item('link', 'link', null, {keys: 'Mod+K', open: editLink, active: hasMark(marks.link)}),
      item('table', 'table', null, {open: askTable, visible: state => !isInTable(state)}),
      item('table_menu', 'table', null, {
        words: true,
        visible: isInTable,
        menu: [
          inTable('row_before', addRowBefore), inTable('row_after', addRowAfter),
          inTable('column_before', addColumnBefore), inTable('column_after', addColumnAfter),
          inTable('header_row', toggleHeaderRow),
          inTable('delete_row', deleteRow), inTable('delete_column', deleteColumn), inTable('delete_table', deleteTable),
        ],
      })),
    group('history',
      item('undo', 'undo-2', undo, {keys: 'Mod+Z', enabled: state => undo(state)}),
      item('redo', 'redo-2', redo, {keys: 'Mod+Y', enabled: state => redo(state)})),
  ]
}

/** Keys as ProseMirror names them: 'Mod+Shift+S' is 'Mod-Shift-s'. */
function shortcutsOf(groups) {
  const entries = groups.flatMap(group => group.items).filter(item => item.keys).map(item => {
    const key = item.keys.split('+').map(part => (part.length === 1 ? part.toLowerCase() : part)).join('-')
    return [key, item.open ? () => (item.open(), true) : item.run]
  })
  return {...Object.fromEntries(entries), 'Mod-Shift-z': redo}
}

/** "- " and "1. " at the start of a line begin a list. */
function listRules() {
  return inputRules({rules: [
    wrappingInputRule(/^\s*[-*]\s$/, nodes.bullet_list),
    wrappingInputRule(/^(\d{1,3})[.)]\s$/, nodes.ordered_list, match => ({start: Number(match[1])}), (match, node) => nextNumber(node) === Number(match[1])),
  ]})
}

/** There is always a place for the caret after a table, quote or rule that ends the text. */
function endWithParagraph() {
  const closed = [nodes.table, nodes.blockquote, nodes.horizontal_rule]
  return new Plugin({
    appendTransaction: (_transactions, _before, state) =>
      (closed.includes(state.doc.lastChild?.type) ? state.tr.insert(state.doc.content.size, nodes.paragraph.create()) : null),
  })
}

/** Pasted into an empty line, the first paragraph would take that line's alignment: close it, so that it brings its own. */
function keepAlignment(slice, state) {
  const emptyLine = state.selection.$from.parent.isTextblock && !state.selection.$from.parent.content.size
  return emptyLine && slice.openStart && slice.content.firstChild?.attrs.align ? new Slice(slice.content, 0, slice.openEnd) : slice
}

/** The attributes that make the editable element a text box with the textarea's name and description. */
function roleOf(textarea, label, invalid) {
  const described = [textarea.getAttribute('aria-describedby'), invalid].filter(Boolean).join(' ')
  return {
    id: `${textarea.id}-rich`, class: 'ed-text prose', role: 'textbox', 'aria-multiline': 'true', spellcheck: 'true',
    ...(label && {'aria-labelledby': label.id}),
    ...(described && {'aria-describedby': described}),
    ...(textarea.dataset.required !== undefined && {'aria-required': 'true'}),
    ...(invalid && {'aria-invalid': 'true'}),
  }
}

export function richText(textarea, options) {
  return new RichText(textarea, options)
}

class RichText {
  constructor(textarea, {ask, icon, make, words, onChange}) {
    Object.assign(this, {textarea, ask, words, onChange})
    if (textarea.required) textarea.dataset.required = ''
    this.label = textarea.labels?.[0]
    if (this.label) this.label.id ||= `${textarea.id}-label`
    const groups = commands(words, {editLink: () => this.editLink(), askTable: () => this.askTable()})
    this.plugins = this.makePlugins(groups)
    this.host = make('div', {class: 'ed'})
    this.view = this.makeView(make)
    this.bar = toolbar(this.view, groups, {label: words('ed_toolbar'), make, icon})
    this.host.prepend(this.bar.dom)
    this.bar.update(this.view.state)
    this.takePlace()
  }

  makePlugins(groups) {
    return [
      autolink(), placeholders(), listRules(),
      keymap({...shortcutsOf(groups), ...writingKeys, 'Alt-F10': () => (this.bar.focus(), true)}),
      keymap(baseKeymap), history(), gapCursor(), dropCursor({class: 'ed-drop', color: false}), tableEditing(), endWithParagraph(),
    ]
  }

  makeView(make) {
    const mount = make('div')
    this.host.append(mount)
    const view = new EditorView({mount}, {
      state: this.stateOf(this.textarea.dataset.html ?? ''),
      attributes: () => roleOf(this.textarea, this.label, this.invalid),
      // Escape is the dialog's around: ProseMirror would take it and do nothing with it
      handleDOMEvents: {keydown: (_view, event) => event.key === 'Escape'},
      transformPastedHTML: cleanPaste,
      transformPasted: (slice, view) => linkSlice(keepAlignment(slice, view.state)),
      handlePaste: (_view, event) => this.pasteOverSelection(event),
      dispatchTransaction: transaction => {
        view.updateState(view.state.apply(transaction))
        this.bar?.update(view.state)
        if (transaction.docChanged) this.onChange()
      },
    })
    return view
  }

  stateOf(html) {
    return EditorState.create({doc: parseDocument(html), plugins: this.plugins})
  }

  /** The textarea stays the form's field, out of sight; its value is the HTML at the moment of the submit. */
  takePlace() {
    const {textarea} = this
    textarea.hidden = true
    textarea.required = false
    textarea.after(this.host)
    this.focusOnLabel = event => {
      event.preventDefault()
      this.focus()
    }
    this.label?.addEventListener('click', this.focusOnLabel)
    this.fill = event => {
      event.formData.set(textarea.name, this.html)
      event.formData.set('body_format', 'html')
    }
    textarea.form?.addEventListener('formdata', this.fill)
  }

  get dom() {
    return this.view.dom
  }

  get html() {
    const box = document.createElement('div')
    box.append(DOMSerializer.fromSchema(schema).serializeFragment(this.view.state.doc.content))
    return box.innerHTML
  }

  get empty() {
    const {doc} = this.view.state
    return !doc.textContent.trim() && doc.childCount === 1 && doc.firstChild.isTextblock
  }

  /** The {{placeholders}} that are still in the text. */
  get unfilled() {
    return unfilled(this.view.state.doc)
  }

  focus() {
    this.view.focus()
  }

  /** Replaces all of the text, as one step that undo takes back. */
  replace(html) {
    const {state} = this.view
    this.step(state.tr.replaceWith(0, state.doc.content.size, parseDocument(html).content))
  }

  insert(html) {
    const slice = ModelParser.fromSchema(schema).parseSlice(bodyOf(html))
    this.step(this.view.state.tr.replaceSelection(slice))
    this.focus()
  }

  /** A change that is its own step of undo and is taken as it is, without making links. */
  step(transaction) {
    this.view.dispatch(closeHistory(transaction).setMeta('noAutolink', true).scrollIntoView())
    this.view.dispatch(closeHistory(this.view.state.tr))
  }

  setInvalid(on, describedBy = '') {
    this.invalid = on && (describedBy || 'true')
    this.view.setProps({})
  }

  destroy() {
    this.label?.removeEventListener('click', this.focusOnLabel)
    this.view.destroy()
  }

  /** An address pasted over selected words makes them a link. */
  pasteOverSelection(event) {
    const text = event.clipboardData?.getData('text/plain').trim() ?? ''
    const {empty, from, to} = this.view.state.selection
    const href = !empty && /^(https?:\/\/|www\.|mailto:)\S+$/i.test(text) && hrefOf(text)
    if (!href) return false
    this.view.dispatch(this.view.state.tr.addMark(from, to, marks.link.create({href})))
    return true
  }

  async editLink() {
    const {words, view} = this
    const {from, to, href} = this.linkAtSelection()
    const text = view.state.doc.textBetween(from, to, ' ')
    const save = {value: 'save', label: words(href ? 'ed_link_save' : 'ed_link_add'), kind: 'primary'}
    const remove = {value: 'remove', label: words('ed_link_remove')}
    const answer = await this.ask({
      title: words('ed_link_title'),
      fields: [
        {
          name: 'href', label: words('ed_link_address'), value: href ?? (hrefOf(text) ? text : ''), inputmode: 'url', required: true,
          check: typed => (hrefOf(typed) ? '' : words('ed_link_invalid')),
        },
        {name: 'text', label: words('ed_link_text'), value: text},
      ],
      actions: [{label: words('ed_cancel')}, ...(href ? [remove] : []), save],
    })
    view.focus()
    if (answer) this.setLink(from, to, text, answer)
  }

  /** The link around the caret, or else the selection. */
  linkAtSelection() {
    const {from, to, $from, empty} = this.view.state.selection
    const mark = marks.link.isInSet($from.marks()) ?? ($from.nodeAfter && marks.link.isInSet($from.nodeAfter.marks))
    if (!mark) return {from, to, href: null}
    if (!empty) return {from, to, href: mark.attrs.href}
    const range = {from, to, href: mark.attrs.href}
    let start = $from.start()
    let run = null // a link may be several text nodes, where part of it is bold
    $from.parent.forEach(node => {
      const end = start + node.nodeSize
      run = mark.isInSet(node.marks) ? {from: run?.from ?? start, to: end} : null
      if (run && run.from <= from && run.to >= from) Object.assign(range, run)
      start = end
    })
    return range
  }

  setLink(from, to, oldText, {action, href: typed, text}) {
    const {tr} = this.view.state
    const href = hrefOf(typed)
    if (action === 'remove') {
      tr.removeMark(from, to, marks.link)
    } else if (href) {
      const mark = marks.link.create({href})
      const shown = text || typed
      if (shown === oldText && from !== to) tr.removeMark(from, to, marks.link).addMark(from, to, mark)
      else tr.replaceWith(from, to, schema.text(shown, mark.addToSet(this.view.state.doc.resolve(from).marks().filter(other => other.type !== marks.link))))
    }
    if (tr.docChanged) this.step(tr.removeStoredMark(marks.link))
  }

  async askTable() {
    const {words} = this
    const answer = await this.ask({
      title: words('ed_table'),
      fields: [
        {name: 'rows', label: words('ed_table_rows'), type: 'number', value: 3, min: 1, max: MOST_ROWS, required: true},
        {name: 'columns', label: words('ed_table_columns'), type: 'number', value: 3, min: 1, max: MOST_COLUMNS, required: true},
        {name: 'header', label: words('ed_table_header'), type: 'checkbox', value: true},
      ],
      actions: [{label: words('ed_cancel')}, {value: 'insert', label: words('ed_table_insert'), kind: 'primary'}],
    })
    this.view.focus()
    if (!answer) return
    const within = (value, most) => Math.min(most, Math.max(1, Number(value) || 1))
    insertTable(within(answer.rows, MOST_ROWS), within(answer.columns, MOST_COLUMNS), answer.header)(this.view.state, this.view.dispatch)
  }
}

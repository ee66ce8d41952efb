"""The window manager's set-up: a panel, a menu with what is installed here, and a quiet ground."""

import shlex
import shutil
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

XTERM = (
    *("xterm", "-fa", "Monospace", "-fs", "11", "-bg", "#16181c", "-fg", "#e4e6ea", "-sl", "5000"),
    *("-xrm", "XTerm*color4: #74a9f5", "-xrm", "XTerm*color12: #96c0ff"),
)
PROGRAMS = (("Terminal", "xterm", shlex.join(XTERM)), ("DS9", "ds9", "ds9"))
SETTINGS = """<?xml version="1.0"?>
<JWM>
  <RootMenu onroot="123">{entries}<Separator/><Exit label="End this session" confirm="true"/></RootMenu>
  <Tray x="0" y="-1" height="32">
    <TrayButton label={title}>root:1</TrayButton>
    <Spacer width="12"/>{buttons}<Spacer width="12"/>
    <TaskList maxwidth="220"/>
    <Clock format="%a %e %b  %H:%M"/>
  </Tray>
  <WindowStyle>
    <Font>Sans-10</Font><Width>2</Width><Height>24</Height><Corner>4</Corner>
    <Foreground>#9aa0a8</Foreground><Background>#2a2e35</Background><Outline>#16181c</Outline><Opacity>1</Opacity>
    <Active><Foreground>#ffffff</Foreground><Background>#34506f</Background><Outline>#16181c</Outline></Active>
  </WindowStyle>
  <TrayStyle decorations="flat">
    <Font>Sans-10</Font><Background>#1e2126</Background><Foreground>#c8ccd2</Foreground><Outline>#1e2126</Outline>
    <Active><Foreground>#ffffff</Foreground><Background>#34506f</Background></Active>
  </TrayStyle>
  <TaskListStyle list="all" group="false"><Font>Sans-10</Font></TaskListStyle>
  <ClockStyle><Font>Sans-10</Font><Foreground>#c8ccd2</Foreground><Background>#1e2126</Background></ClockStyle>
  <TrayButtonStyle><Font>Sans-10</Font><Foreground>#e4e6ea</Foreground><Background>#1e2126</Background></TrayButtonStyle>
  <MenuStyle decorations="flat">
    <Font>Sans-10</Font><Foreground>#e4e6ea</Foreground><Background>#1e2126</Background><Outline>#31353c</Outline>
    <Active><Foreground>#ffffff</Foreground><Background>#34506f</Background></Active>
  </MenuStyle>
  <PopupStyle><Font>Sans-9</Font><Foreground>#24292f</Foreground><Background>#f0efec</Background></PopupStyle>
  <Desktops width="1" height="1"><Background type="gradient">#27445f:#101418</Background></Desktops>
  <DoubleClickSpeed>400</DoubleClickSpeed><SnapMode distance="8">border</SnapMode>
  <MoveMode>opaque</MoveMode><ResizeMode>opaque</ResizeMode><FocusModel>click</FocusModel>
  <Key mask="A" key="Tab">nextstacked</Key><Key mask="A" key="F4">close</Key>
</JWM>
"""


def write(path: Path, title: str) -> None:
    """Write the set-up of a desktop with this title."""
    here = [(label, command) for label, program, command in PROGRAMS if shutil.which(program)]
    entries = "".join(
        f"<Program label={quoteattr(label)}>{escape(command)}</Program>" for label, command in here
    )
    buttons = "".join(
        f"<TrayButton label={quoteattr(label)}>exec:{escape(command)}</TrayButton>" for label, command in here
    )
    path.write_text(SETTINGS.format(entries=entries, buttons=buttons, title=quoteattr(title)))
